// Mounts without a path: fsopen(2), fsconfig(2) and fsmount(2) (5.2).

import {
  FSCONFIG_CMD_CREATE,
  FSMOUNT_CLOEXEC,
  FSOPEN_CLOEXEC,
  MOUNT_ATTR_NODEV,
  MOUNT_ATTR_NOEXEC,
  MOUNT_ATTR_NOSUID,
} from "elf-loader/uapi";
import { Fd } from "./fd.ts";
import { cString, syscall } from "./libc.ts";
import { SYSCALL_NUMBERS } from "./syscall-numbers.ts";

const number = (name: string) => SYSCALL_NUMBERS.get(name) ?? -1;
const NO_FLAGS = 0x7fff_0000;

/** Their answers to what no kernel has: -EINVAL, of the first and the last to who may mount, unless something before refuses. */
export const probeFsopen = (): number => syscall(number("fsopen"), cString("tracefs"), NO_FLAGS);
export const probeFsconfig = (): number => syscall(number("fsconfig"), NO_DESCRIPTOR, NO_FLAGS, 0, 0, 0);
export const probeFsmount = (): number => syscall(number("fsmount"), NO_DESCRIPTOR, NO_FLAGS, 0);
const NO_DESCRIPTOR = -1;

/** Which of the calls failed, and with what -errno. */
export interface FailedMount {
  readonly call: string;
  readonly result: number;
}

/** The root of a new mount that is attached nowhere and goes with its descriptor. */
export function mountDetached(type: string): number | FailedMount {
  const context = syscall(number("fsopen"), cString(type), FSOPEN_CLOEXEC);
  if (context < 0) return { call: `fsopen(${type})`, result: context };
  using fs = new Fd(context);
  const created = syscall(number("fsconfig"), fs.number, FSCONFIG_CMD_CREATE, 0, 0, 0);
  if (created < 0) return { call: `fsconfig(${type})`, result: created };
  const attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
  const root = syscall(number("fsmount"), fs.number, FSMOUNT_CLOEXEC, attributes);
  return root < 0 ? { call: `fsmount(${type})`, result: root } : root;
}
