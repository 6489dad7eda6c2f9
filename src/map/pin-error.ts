// Why something cannot be pinned or opened by a path: bpf_obj_pin_user and bpf_obj_get_user in kernel/bpf/inode.c.

import { readFileSync } from "node:fs";
import { dirname } from "node:path";
import { type BpfError, BpfRuntimeError } from "elf-loader";
import { EACCES, EEXIST, EINVAL, ENOENT, ENOTDIR, EPERM } from "elf-loader/uapi";
import { errnoName, kernelError } from "../host/kernel-error.ts";

/** Whether the longest mount point that leads to a path is a bpffs; undefined where /proc does not tell. */
function isInBpffs(path: string): boolean | undefined {
  try {
    const mounts = readFileSync("/proc/self/mountinfo", "utf8")
      .trim()
      .split("\n")
      .map((line) => line.split(" "))
      .map((fields) => ({ point: fields[4] ?? "", type: fields[fields.indexOf("-") + 1] }))
      .filter(({ point }) => path === point || path.startsWith(point === "/" ? "/" : `${point}/`));
    return mounts.sort((a, b) => b.point.length - a.point.length)[0]?.type === "bpf";
  } catch {
    return undefined;
  }
}

const CAUSES: { readonly [errno: number]: readonly [likely: string, action: string] } = {
  [EEXIST]: ["something is pinned there already", "remove the file or choose another name"],
  [ENOENT]: ["there is no such file or folder", "look at the path"],
  [ENOTDIR]: ["a part of the path is no folder", "look at the path"],
  [EINVAL]: ["the name has a dot, or what is pinned there is of another kind", "choose another name"],
};

/** `doing`: "pin map counts". */
export function pinError(result: number, doing: string, call: string, path: string): BpfError {
  const errno = errnoName(result);
  const message = `Cannot ${doing} at ${path}: ${call} gave ${errno}`;
  const details = { call, errno, subject: path };
  const refused = result === -EPERM || result === -EACCES || result === -ENOENT;
  if (refused && isInBpffs(path) === false) {
    const folder = path.startsWith("/sys/fs/bpf/") ? "/sys/fs/bpf" : dirname(path);
    const action = `mount one: mount -t bpf bpf ${folder}, or run the container with --volume=/sys/fs/bpf:${folder}`;
    const mount = { likely: "no bpffs is mounted there", action };
    return new BpfRuntimeError(message, { ...details, ...mount });
  }
  const [likely, action] = CAUSES[-result] ?? [];
  if (likely) return new BpfRuntimeError(message, { ...details, likely, action });
  return kernelError(result, { doing: `${doing} at ${path}`, call, subject: path });
}
