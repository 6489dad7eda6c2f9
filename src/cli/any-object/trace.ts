// The lines of bpf_printk, beside the events of buffers: all of the kernel's trace_pipe, whoever wrote them.

import { TracePipe } from "../../index.ts";
import { escapeLine } from "../escape.ts";
import type { Report } from "../report.ts";
import type { Stream } from "./stream.ts";

export function traceStream(report: Report): Stream {
  const pipe = new TracePipe();
  while (pipe.read(() => {}) > 0); // what was there before us
  const show = (line: string) => report.record("trace", { line }, () => escapeLine(line));
  return {
    read: (limit) => pipe.read(show, limit),
    wait: () => pipe.wait(),
    wake: () => pipe.wake(),
    close: () => pipe.close(),
  };
}
