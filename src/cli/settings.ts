// What a run is told by its command line.

import type { SyscallHook } from "../index.ts";
import type { Cidr } from "./cidr.ts";

/** What is watched where nothing is said. */
export const DEFAULT_SYSCALL = "execve";

/** What says which calls of which system call are watched, and what each is where nobody says anything. */
export const CALL_DEFAULTS = {
  attach: "auto",
  syscall: DEFAULT_SYSCALL,
  uid: undefined,
  pid: undefined,
  comm: undefined,
};

export type CallOption = keyof typeof CALL_DEFAULTS;
export const CALL_OPTIONS = Object.keys(CALL_DEFAULTS) as CallOption[];

export type Format = "text" | "jsonl";

/** Options that only some modes have a use for. */
export type OwnOption =
  | ("interval" | "bufferSize" | "entries" | "top" | "cidr")
  | ("limit" | "pin" | "listen" | "from" | "to" | "xdp");

/** What every run is told, whatever it shows. */
export interface RunSettings {
  /** Milliseconds; what shows tables has a default. */
  readonly interval?: number;
  /** Events, or refreshes. */
  readonly count?: number;
  /** Milliseconds. */
  readonly duration?: number;
  /** Bytes. */
  readonly bufferSize?: number;
  /** Of the kernel's map. */
  readonly entries?: number;
  /** Rows of a table. */
  readonly top?: number;
  readonly cidr?: readonly Cidr[];
  /** The folder of a bpffs where a map is pinned. */
  readonly pin?: string;
  /** sockmap: where connections are taken, and where they go on to; devmap: two interfaces, and how XDP is run. */
  readonly listen?: string;
  readonly from?: string;
  readonly xdp?: "native" | "generic";
  readonly to?: string;
  /** Calls of a user in one interval. */
  readonly limit?: number;
  readonly output: Format;
  readonly verbose: boolean;
  /** Whether the capabilities that are not needed after attaching are kept all the same. */
  readonly keepPrivileges: boolean;
  /** What follows `--`. */
  readonly command: readonly string[];
}

/** What a mode is told. */
export interface Settings extends RunSettings {
  readonly attach: SyscallHook | "auto";
  readonly syscall: string;
  readonly uid?: number;
  readonly pid?: number;
  readonly comm?: string;
}
