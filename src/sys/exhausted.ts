// What fails only for want of descriptors or memory.

import { BpfRuntimeError } from "elf-loader";
import { EMFILE, ENFILE, ENOMEM, ERRNO, ERRNO_NAMES } from "elf-loader/uapi";

/** What gives out, whatever was being done. */
export const EXHAUSTED: { readonly [errno: number]: { likely: string; action: string } } = {
  [EMFILE]: { likely: "the process may open no more descriptors", action: "raise the limit (ulimit -n)" },
  [ENFILE]: { likely: "the machine may open no more descriptors", action: "raise fs.file-max" },
  [ENOMEM]: { likely: "there is not enough memory, or a limit on it", action: "ask for less, or raise the limit" },
};

/** The same by the errno's name; undefined where it means something else. */
export const exhaustedBy = (errno = "") => EXHAUSTED[ERRNO[errno] ?? 0];

/** `result` is the negative errno of a call that needs nothing but room. */
export function exhausted(call: string, result: number): BpfRuntimeError {
  const errno = ERRNO_NAMES[-result] ?? `errno ${-result}`;
  return new BpfRuntimeError(`Cannot wait for events: ${call} gave ${errno}`, { call, errno, ...EXHAUSTED[-result] });
}
