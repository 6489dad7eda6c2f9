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

/** The answer to flags that no kernel has: -EINVAL to who may mount, unless something before the kernel refuses. */
export const probeMountFlags = (): number => syscall(number("fsopen"), cString("tracefs"), NO_FLAGS);

/** The root of a new mount that is attached nowhere and goes with its descriptor, or -errno. */
export function mountDetached(type: string): number {
  const context = syscall(number("fsopen"), cString(type), FSOPEN_CLOEXEC);
  if (context < 0) return context;
  using fs = new Fd(context);
  const created = syscall(number("fsconfig"), fs.number, FSCONFIG_CMD_CREATE, 0, 0, 0);
  if (created < 0) return created;
  const attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
  return syscall(number("fsmount"), fs.number, FSMOUNT_CLOEXEC, attributes);
}
