// Why something cannot be pinned or opened by a path: bpf_obj_pin_user and bpf_obj_get_user in kernel/bpf/inode.c.

import { readFileSync, readlinkSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { type BpfError, BpfRuntimeError, PermissionError } from "elf-loader";
import { BPF_F_RDONLY, BPF_F_WRONLY, EACCES, EEXIST, EINVAL, ENOENT, ENOTDIR, EPERM, EROFS } from "elf-loader/uapi";
import type { Refusal } from "../host/cause.ts";
import { forbiddenByMode, READ, SEARCH, WRITE } from "../host/file-mode.ts";
import { errnoName, kernelError } from "../host/kernel-error.ts";

const LINKS = 40; // MAXSYMLINKS, include/linux/namei.h

/** The path without symbolic links, as far as it is there and may be looked at: mount points have none. */
function realPath(path: string, links = LINKS): string {
  const whole = resolve(path);
  if (whole === "/") return whole;
  const real = join(realPath(dirname(whole), links), basename(whole));
  try {
    return links > 0 ? realPath(resolve(dirname(real), readlinkSync(real)), links - 1) : real;
  } catch {
    return real; // no link, not there, or not to be seen
  }
}

/** The longest mount point that leads to a path; undefined where /proc does not tell. */
function mountOf(name: string): { point: string; type: string | undefined } | undefined {
  const path = realPath(name);
  try {
    const mounts = readFileSync("/proc/self/mountinfo", "utf8")
      .trim()
      .split("\n")
      .map((line) => line.split(" "))
      .map((fields) => ({ point: fields[4] ?? "", type: fields[fields.indexOf("-") + 1] }))
      .filter(({ point }) => path === point || path.startsWith(point === "/" ? "/" : `${point}/`));
    return mounts.sort((a, b) => b.point.length - a.point.length)[0];
  } catch {
    return undefined;
  }
}

function isInBpffs(path: string): boolean | undefined {
  const mount = mountOf(path);
  return mount && mount.type === "bpf";
}

type Cause = readonly [likely: string, action: string];

const CAUSES: { readonly [errno: number]: Cause } = {
  [EEXIST]: ["something is pinned there already", "remove the file or choose another name"],
  [ENOENT]: ["there is no such file or folder", "look at the path"],
  [ENOTDIR]: ["a part of the path is no folder", "look at the path"],
  [EROFS]: ["the bpffs is mounted read-only", "mount it writable (in a container the volume without :ro)"],
  [EINVAL]: ["what is pinned there is of another kind", "choose another name"],
};

const DOT: Cause = ["a name in a bpffs has no dot", "choose another name"];
const FOLDER: Cause = ["it is a folder", "name what is pinned there"];
const FILE: Cause = ["it is a file of another kind: pins are in a bpffs, such as /sys/fs/bpf", "name a pin"];

/** What cannot be opened whoever asks. */
function noPin(path: string): Cause | undefined {
  try {
    if (statSync(path).isDirectory()) return FOLDER;
    return isInBpffs(path) === false ? FILE : undefined;
  } catch {
    return undefined; // not there, or not to be seen
  }
}

/** bpf_lookup() refuses a dot in whatever part of the path lies in the bpffs (EPERM). */
function hasDot(path: string): boolean {
  const mount = mountOf(path);
  return mount?.type === "bpf" && realPath(path).slice(mount.point.length).includes(".");
}

/** `doing`: "pin map counts". */
export const pinError = (result: number, doing: string, path: string): BpfError =>
  pathError(result, doing, "bpf(BPF_OBJ_PIN)", path, undefined, () =>
    forbiddenByMode(realPath(dirname(path)), WRITE | SEARCH),
  );

/** `doing`: "open a map"; `flags`: those it was to be opened with. */
export function pinnedError(result: number, doing: string, path: string, flags = 0): BpfError {
  const wanted = flags & BPF_F_RDONLY ? READ : flags & BPF_F_WRONLY ? WRITE : READ | WRITE;
  return pathError(result, doing, "bpf(BPF_OBJ_GET)", path, noPin(path), () => forbiddenByMode(realPath(path), wanted));
}

function pathError(
  result: number,
  doing: string,
  call: string,
  path: string,
  evident: Cause | undefined,
  byMode: () => Refusal | undefined,
): BpfError {
  const errno = errnoName(result);
  const message = `Cannot ${doing} at ${path}: ${call} gave ${errno}`;
  const details = { call, errno, subject: path };
  const refused = result === -EPERM || result === -EACCES || result === -ENOENT;
  if (!evident && refused && isInBpffs(path) === false)
    return new BpfRuntimeError(message, { ...details, likely: "no bpffs is mounted there", action: howToMount(path) });
  const forbidden = result === -EACCES ? byMode() : undefined;
  if (forbidden) return new PermissionError(message, { ...details, ...forbidden });
  const [likely, action] = evident ?? (result === -EPERM && hasDot(path) ? DOT : CAUSES[-result]) ?? [];
  if (likely) return new BpfRuntimeError(message, { ...details, likely, action });
  return kernelError(result, { doing: `${doing} at ${path}`, call, subject: path });
}

/** Never over a folder that may be in use. */
const howToMount = (path: string): string =>
  realPath(path).startsWith("/sys/fs/bpf/")
    ? "mount one: mount -t bpf bpf /sys/fs/bpf, or run the container with --volume=/sys/fs/bpf:/sys/fs/bpf"
    : "use a path below /sys/fs/bpf, or mount one on an empty folder: mount -t bpf bpf FOLDER";
