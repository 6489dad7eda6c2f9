// --mode queue: events in the order of their arrival, from a queue map.

import object from "../../../build/bpf/hello_queue.bpf.o" with { type: "file" };
import { ARRIVALS } from "./arrivals.ts";
import { syscallMode } from "./syscall-mode.ts";

export const queue = syscallMode({
  ...ARRIVALS,
  name: "queue",
  description: "the events kept in a queue, oldest first, every --interval seconds",
  object,
});
