// A thread that runs a program of this process once, on a CPU of its own: a kernel that does not preempt itself would
// let nobody else run on that one. `program` is its descriptor.

import { progTestRun } from "../../../src/sys/bpf.ts";
import { PACKET, pinTo } from "../lib-support.ts";

declare const self: {
  onmessage: (event: { data: { program: number; cpu: number } }) => void;
  postMessage(answer: unknown): void;
};

self.onmessage = ({ data: { program, cpu } }) => {
  pinTo([cpu]);
  self.postMessage(progTestRun({ prog_fd: program, data_in: PACKET, data_size_in: PACKET.byteLength, repeat: 1 }));
};
