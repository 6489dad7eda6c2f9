// --mode perf: a struct for every event, through a perf buffer for each CPU.

import perfObject from "../../../build/bpf/hello_perf.bpf.o" with { type: "file" };
import { BpfError, type PerfBuffer } from "../../index.ts";
import type { Report } from "../report.ts";
import { type AnyEvent, eventSource, eventStruct } from "./event-source.ts";
import { syscallMode } from "./syscall-mode.ts";

/** How soon a CPU that comes online is read. */
const HOTPLUG_MS = 1000;

export const perf = syscallMode({
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
    const hotplug = setInterval(() => followCpus(reader, report), HOTPLUG_MS);
    const source = eventSource(reader, report);
    return {
      ...source,
      [Symbol.dispose]() {
        clearInterval(hotplug);
        source[Symbol.dispose]();
      },
    };
  },
});

/** Without the privileges to open one more buffer, that CPU's events are lost, and counted. */
function followCpus(reader: PerfBuffer<AnyEvent>, report: Report): void {
  try {
    reader.followCpus();
  } catch (error) {
    if (!(error instanceof BpfError)) throw error;
    report.note(
      `a CPU came online and is not read, its events are lost: ${error.message}; --keep-privileges keeps what it needs`,
    );
  }
}
