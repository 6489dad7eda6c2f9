// What fails only for want of descriptors or memory.

import { BpfRuntimeError } from "elf-loader";
import { ERRNO_NAMES } from "elf-loader/uapi";

/** `result` is the negative errno of a call that needs nothing but room. */
export function exhausted(call: string, result: number): BpfRuntimeError {
  const errno = ERRNO_NAMES[-result] ?? `errno ${-result}`;
  return new BpfRuntimeError(`Cannot wait for events: ${call} gave ${errno}`, {
    call,
    errno,
    likely: "the process or the machine may have no more descriptors",
    action: "raise the limit (ulimit -n)",
  });
}
