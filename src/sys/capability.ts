// capget(2), capset(2) and prctl(2): a thread's capabilities (include/uapi/linux/capability.h). What changes them is a call
// that this thread makes or another is told to.

import {
  _LINUX_CAPABILITY_VERSION_3,
  __user_cap_data_struct as DATA,
  __user_cap_header_struct as HEADER,
  PR_CAP_AMBIENT,
  PR_CAP_AMBIENT_CLEAR_ALL,
  PR_CAPBSET_DROP,
  PR_SET_NO_NEW_PRIVS,
} from "elf-loader/uapi";
import { syscall } from "./libc.ts";
import { encodeStruct, readField } from "./struct.ts";
import { SYSCALL_NUMBERS } from "./syscall-numbers.ts";
import type { ThreadCall } from "./thread-calls.ts";

/** The sets as masks: bit 39 is CAP_BPF. */
export interface CapabilitySets {
  readonly effective: bigint;
  readonly permitted: bigint;
  readonly inheritable: bigint;
}

const LOW = 0xffff_ffffn;

function header(): Uint8Array {
  return encodeStruct(HEADER, { version: _LINUX_CAPABILITY_VERSION_3 }).bytes;
}

/** The sets of this thread, or -errno. */
export function capget(): CapabilitySets | number {
  const data = new Uint8Array(2 * DATA.size);
  const result = syscall(SYSCALL_NUMBERS.get("capget") ?? -1, header(), data);
  if (result < 0) return result;
  const low = data.subarray(0, DATA.size);
  const high = data.subarray(DATA.size);
  const set = (name: string) => (BigInt(readField(DATA, high, name)) << 32n) | BigInt(readField(DATA, low, name));
  return { effective: set("effective"), permitted: set("permitted"), inheritable: set("inheritable") };
}

/** What is not permitted any more cannot be had again. */
export function capset({ effective, permitted, inheritable }: CapabilitySets): ThreadCall {
  const half = (shift: bigint) =>
    encodeStruct(DATA, {
      effective: (effective >> shift) & LOW,
      permitted: (permitted >> shift) & LOW,
      inheritable: (inheritable >> shift) & LOW,
    }).bytes;
  const data = new Uint8Array(2 * DATA.size);
  data.set(half(0n));
  data.set(half(32n), DATA.size);
  return ["capset", header(), data];
}

/** Programs that the thread starts get no ambient capabilities any more (4.3). */
export const CLEAR_AMBIENT: ThreadCall = ["prctl", PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL];
/** Nor this one from a file; needs CAP_SETPCAP. */
export const dropFromBounding = (capability: number): ThreadCall => ["prctl", PR_CAPBSET_DROP, capability];
/** Nor any by set-user-ID or file capabilities. */
export const SET_NO_NEW_PRIVILEGES: ThreadCall = ["prctl", PR_SET_NO_NEW_PRIVS, 1];
