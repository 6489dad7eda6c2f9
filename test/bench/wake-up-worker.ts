// A thread that runs a program a thousand times a second.

import { progTestRun } from "../../src/sys/bpf.ts";

declare const self: { onmessage: (event: { data: { program: number; count: number } }) => void };

self.onmessage = ({ data: { program, count } }) => {
  const packet = new Uint8Array(64);
  const cell = new Int32Array(new SharedArrayBuffer(4));
  for (let i = 0; i < count; i++) {
    Atomics.wait(cell, 0, 0, 1);
    progTestRun({ prog_fd: program, data_in: packet, data_size_in: packet.byteLength, repeat: 1 });
  }
};
