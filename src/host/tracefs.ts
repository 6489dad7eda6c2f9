// tracefs: where it is mounted by /proc/self/mountinfo (proc_pid_mountinfo(5)), else mounted detached by
// fsopen(2) and fsmount(2) (5.2), reached through a descriptor without touching any path.

import { readFileSync } from "node:fs";
import { EACCES, O_CLOEXEC, O_PATH, O_RDONLY } from "elf-loader/uapi";
import { Fd } from "../sys/fd.ts";
import { open, openat, readInto } from "../sys/libc.ts";
import { type FailedMount, mountDetached } from "../sys/mount.ts";
import { readText } from "../sys/read.ts";

/** What a refusal was for want of: mounting it takes the one, reading root's files in it as another user the other. */
export function tracefsNeeds(result: number, call: string): string[] {
  if (!call.startsWith("open(")) return ["CAP_SYS_ADMIN"];
  return result === -EACCES ? ["CAP_DAC_READ_SEARCH"] : [];
}

const READ_SIZE = 4096; // more than an id file or an event's format needs at once

/** A tracefs that can be read, by paths relative to its root. */
export class Tracefs implements Disposable {
  readonly #root: Fd;
  /** The mount point, or "detached". */
  readonly where: string;

  private constructor(root: number, where: string) {
    this.#root = new Fd(root);
    this.where = where;
  }

  /** The tracefs of this machine, or what the last way tried came to (-EPERM: no CAP_SYS_ADMIN to mount it). */
  static find(mountinfo: string = readMountinfo()): Tracefs | FailedMount {
    for (const point of tracefsMountPoints(mountinfo)) {
      const root = open(point, O_PATH | O_CLOEXEC);
      if (root >= 0) return new Tracefs(root, point);
    }
    const detached = mountDetached("tracefs");
    return typeof detached === "number" ? new Tracefs(detached, "detached") : detached;
  }

  /** A descriptor, O_CLOEXEC, or -errno. */
  open(path: string, flags: number = O_RDONLY): number {
    return openat(this.#root.number, path, flags | O_CLOEXEC);
  }

  /** A small file's text, or -errno. */
  read(path: string): string | number {
    const fd = this.open(path);
    if (fd < 0) return fd;
    using file = new Fd(fd);
    const buffer = new Uint8Array(READ_SIZE);
    const length = readInto(file.number, buffer);
    return length < 0 ? length : new TextDecoder().decode(buffer.subarray(0, length));
  }

  /** A file's whole text, or -errno; of megabytes where it lists every function. */
  readAll(path: string): string | number {
    return readText(this.open(path));
  }

  close(): void {
    this.#root.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Names of the functions that ftrace can trace; undefined where the kernel or this process has no such list. */
export function traceableFunctions(): Set<string> | undefined {
  const tracefs = Tracefs.find();
  if (!(tracefs instanceof Tracefs)) return undefined;
  using files = tracefs;
  const text = files.readAll("available_filter_functions");
  return typeof text === "number" ? undefined : new Set(text.split("\n").map((line) => line.split(" ", 1)[0] ?? ""));
}

function readMountinfo(): string {
  try {
    return readFileSync("/proc/self/mountinfo", "utf8");
  } catch {
    return "";
  }
}

/** Mount points of whole tracefs trees: the root of the mount must be the root of the file system. */
export function tracefsMountPoints(mountinfo: string): string[] {
  const points: string[] = [];
  for (const line of mountinfo.split("\n")) {
    const [mount, filesystem] = line.split(" - ");
    const fields = mount?.split(" ") ?? [];
    if (filesystem?.startsWith("tracefs ") && fields[3] === "/" && fields[4]) points.push(unescapeOctal(fields[4]));
  }
  return points;
}

/** mountinfo writes space, tab, newline and backslash as \040 and so on. */
function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}
