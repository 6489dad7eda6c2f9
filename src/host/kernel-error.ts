// A refused kernel call as an error: its class by meaning, one line, one likely cause.

import { AttachError, type BpfError, BpfRuntimeError, PermissionError, UnsupportedError } from "elf-loader";
import { EACCES, ENOMEM, ENOSYS, EPERM, ERRNO_NAMES } from "elf-loader/uapi";
import { EXHAUSTED } from "../sys/exhausted.ts";
import type { RefusedCall } from "./cause.ts";
import { explainRefusal } from "./refusal.ts";
import { hiddenByFilter } from "./seccomp.ts";

/** What was being done when the kernel refused. */
export interface Refused extends RefusedCall {
  /** Completes the sentence "Cannot …": `create map events`. */
  readonly doing: string;
  readonly subject: string;
  /** The kernel has no such thing: say so instead of "failed while running". */
  readonly unsupported?: boolean;
  /** It was an attachment. */
  readonly attaching?: boolean;
  readonly likely?: string;
  readonly action?: string;
}

export function errnoName(result: number): string {
  return ERRNO_NAMES[Math.abs(result)] ?? `errno ${Math.abs(result)}`;
}

/** `result` is the negative errno. EPERM, EACCES and a filter's ENOSYS are explained by evidence; the rest by what the caller knows. */
export function kernelError(result: number, refused: Refused): BpfError {
  const errno = errnoName(result);
  const message = `Cannot ${refused.doing}: ${refused.call} gave ${errno}`;
  const { call, subject, likely, action } = refused;
  if (result === -EPERM || result === -EACCES || (result === -ENOSYS && hiddenByFilter(call))) {
    return new PermissionError(message, { call, errno, subject, ...explainRefusal({ ...refused, result }) });
  }
  const exhausted = EXHAUSTED[-result];
  if (exhausted)
    return new BpfRuntimeError(message, {
      call,
      errno,
      subject,
      ...exhausted,
      ...(result === -ENOMEM && likely ? { likely, action } : {}),
    });
  const details = { call, errno, subject, likely, action };
  if (refused.unsupported || result === -ENOSYS) return new UnsupportedError(message, details);
  return refused.attaching ? new AttachError(message, details) : new BpfRuntimeError(message, details);
}
