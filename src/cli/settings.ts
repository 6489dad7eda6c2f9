// What a run is told by its command line.

import type { SyscallHook } from "../index.ts";

export type Format = "text" | "jsonl";

/** Options that only some modes have a use for. */
export type OwnOption = "interval" | "bufferSize";

export interface Settings {
  readonly attach: SyscallHook | "auto";
  readonly syscall: string;
  /** Milliseconds; map has a default. */
  readonly interval?: number;
  readonly count?: number;
  /** Milliseconds. */
  readonly duration?: number;
  readonly uid?: number;
  readonly pid?: number;
  readonly comm?: string;
  /** Bytes. */
  readonly bufferSize?: number;
  readonly output: Format;
  readonly verbose: boolean;
  /** Whether the capabilities that are not needed after attaching are kept all the same. */
  readonly keepPrivileges: boolean;
  /** What follows `--`. */
  readonly command: readonly string[];
}
