// A thread that runs a program of this process once: `program` is its descriptor.

import { progTestRun } from "../../../src/sys/bpf.ts";

declare const self: { onmessage: (event: { data: { program: number } }) => void; postMessage(answer: unknown): void };

self.onmessage = ({ data: { program } }) => {
  const packet = new Uint8Array(64);
  self.postMessage(progTestRun({ prog_fd: program, data_in: packet, data_size_in: packet.byteLength, repeat: 1 }));
};
