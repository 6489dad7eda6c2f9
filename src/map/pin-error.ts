// Why something cannot be pinned or opened by a path: bpf_obj_pin_user and bpf_obj_get_user in kernel/bpf/inode.c.

import { readFileSync } from "node:fs";
import { dirname } from "node:path";
import { type BpfError, BpfRuntimeError, PermissionError } from "elf-loader";
import { BPF_F_RDONLY, BPF_F_WRONLY, EACCES, EEXIST, EINVAL, ENOENT, ENOTDIR, EPERM, EROFS } from "elf-loader/uapi";
import type { Refusal } from "../host/cause.ts";
import { forbiddenByMode, READ, SEARCH, WRITE } from "../host/file-mode.ts";
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
  [EROFS]: ["the bpffs is mounted read-only", "mount it writable (in a container the volume without :ro)"],
  [EINVAL]: ["the name has a dot, or what is pinned there is of another kind", "choose another name"],
};

/** `doing`: "pin map counts". */
export const pinError = (result: number, doing: string, path: string): BpfError =>
  pathError(result, doing, "bpf(BPF_OBJ_PIN)", path, () => forbiddenByMode(dirname(path), WRITE | SEARCH));

/** `doing`: "open a map"; `flags`: those it was to be opened with. */
export function pinnedError(result: number, doing: string, path: string, flags = 0): BpfError {
  const wanted = flags & BPF_F_RDONLY ? READ : flags & BPF_F_WRONLY ? WRITE : READ | WRITE;
  return pathError(result, doing, "bpf(BPF_OBJ_GET)", path, () => forbiddenByMode(path, wanted));
}

function pathError(
  result: number,
  doing: string,
  call: string,
  path: string,
  byMode: () => Refusal | undefined,
): BpfError {
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
  const forbidden = result === -EACCES ? byMode() : undefined;
  if (forbidden) return new PermissionError(message, { ...details, ...forbidden });
  const [likely, action] = CAUSES[-result] ?? [];
  if (likely) return new BpfRuntimeError(message, { ...details, likely, action });
  return kernelError(result, { doing: `${doing} at ${path}`, call, subject: path });
}
