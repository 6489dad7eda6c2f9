// --mode stack: what just happened? Events from a stack map.

import object from "../../../build/bpf/hello_stack.bpf.o" with { type: "file" };
import { ARRIVALS } from "./arrivals.ts";
import { syscallMode } from "./syscall-mode.ts";

export const stack = syscallMode({
  ...ARRIVALS,
  name: "stack",
  description: "the events kept in a stack, newest first, every --interval seconds",
  object,
});
