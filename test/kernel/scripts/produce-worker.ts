// A thread that runs a program again and again: `repeat` times in one go, `pause` milliseconds in between, until the
// first word of `stop` is 1. Answers how many runs there were.

import { progTestRun } from "../../../src/sys/bpf.ts";
import { PACKET } from "../lib-support.ts";

interface Task {
  readonly program: number;
  readonly repeat: number;
  readonly pause: number;
  readonly stop: Int32Array<SharedArrayBuffer>;
}

declare const self: { onmessage: (event: { data: Task }) => void; postMessage(runs: number): void };

self.onmessage = ({ data: { program, repeat, pause, stop } }) => {
  let runs = 0;
  while (Atomics.load(stop, 0) === 0) {
    progTestRun({ prog_fd: program, data_in: PACKET, data_size_in: PACKET.byteLength, repeat });
    runs += repeat;
    Atomics.wait(stop, 0, 0, pause);
  }
  self.postMessage(runs);
};
