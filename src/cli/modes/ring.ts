// --mode ring: a struct for every event, through one ring buffer.

import ringObject from "../../../build/bpf/hello_ring.bpf.o" with { type: "file" };
import { losses } from "../losses.ts";
import { type AnyEvent, eventSource, eventStruct } from "./event-source.ts";
import { syscallMode } from "./syscall-mode.ts";

export const ring = syscallMode({
  name: "ring",
  description: "a line for each event, through a BPF ring buffer",
  object: ringObject,
  refreshes: false,
  places: true,
  uses: ["bufferSize"],
  prepare(spec, { bufferSize }) {
    const events = spec.maps.get("events");
    if (events && bufferSize) events.maxEntries = bufferSize;
  },
  open(object, options, report) {
    const reader = object.ringBuffer<AnyEvent>("events", eventStruct(options));
    report.bufferSize(options.bufferSize, reader.size);
    const source = eventSource(reader, report);
    const { look, finish } = losses(object, report, "buffer");
    return {
      ...source,
      finish,
      read(limit) {
        const count = source.read(limit);
        if (count > 0) look();
        return count;
      },
    };
  },
});
