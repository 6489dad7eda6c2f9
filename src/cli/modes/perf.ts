// --mode perf: a struct for every event, through a perf buffer for each CPU.

import perfObject from "../../../build/bpf/hello_perf.bpf.o" with { type: "file" };
import { type AnyEvent, eventSource, eventStruct } from "./event-source.ts";
import type { Mode } from "./mode.ts";

export const perf: Mode = {
  name: "perf",
  description: "a line for each event, through a perf buffer for each CPU",
  object: perfObject,
  refreshes: false,
  places: true,
  uses: ["bufferSize"],
  open(object, options, report) {
    const onLost = (cpu: number, count: number) => report.lost(cpu, count);
    const reader = object.perfBuffer<AnyEvent>("events", eventStruct(options), { size: options.bufferSize, onLost });
    report.bufferSize(options.bufferSize, reader.size, `for each of ${reader.cpus.length} CPUs`);
    return eventSource(reader, report);
  },
};
