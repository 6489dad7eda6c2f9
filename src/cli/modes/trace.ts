// --mode trace: the kernel's own trace_pipe, one line for each bpf_trace_printk.

import traceObject from "../../../build/bpf/hello_trace.bpf.o" with { type: "file" };
import { TracePipe } from "../../index.ts";
import { escapeLine } from "../escape.ts";
import { syscallMode } from "./syscall-mode.ts";

/** `  COMM-TID  [CPU] FLAGS  SECONDS: bpf_trace_printk: TEXT` (kernel/trace/trace_output.c). */
const OURS =
  /^ *(?<command>.*)-(?<pid>\d+)\s+(?:\(.*?\)\s+)?\[(?<cpu>\d+)\].*: (?:bpf_trace_printk: )(?<message>Hello World!)$/s;
const LOST = /^CPU:(\d+) \[LOST (\d+) EVENTS\]$/;

export const trace = syscallMode({
  name: "trace",
  description: "the lines of bpf_trace_printk in the kernel's trace_pipe",
  object: traceObject,
  refreshes: false,
  uses: [],
  open(_object, _options, report) {
    const pipe = new TracePipe();
    let received = 0;
    let dropped = 0;
    const show = (line: string) => {
      const [, cpu = "0", count] = LOST.exec(line) ?? [];
      if (count !== undefined) {
        dropped += Number(count);
        report.lost(Number(cpu), Number(count));
        return;
      }
      const fields = OURS.exec(line)?.groups;
      if (!fields) return; // another program's, or the empty one that the newline of our text makes
      received++;
      const { command, pid, message } = fields;
      report.event({ pid: Number(pid), cpu: Number(fields.cpu), command, message, line }, () => escapeLine(line));
    };
    while (pipe.read(() => {}) > 0); // what was there before us
    return {
      read(limit) {
        const before = received;
        pipe.read(show, limit);
        return received - before;
      },
      wait: () => pipe.wait(),
      wake: () => pipe.wake(),
      received: () => received,
      dropped: () => dropped,
      [Symbol.dispose]: () => pipe.close(),
    };
  },
});
