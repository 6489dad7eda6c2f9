// What the kernel says of a descriptor in /proc/self/fdinfo: lines `name:<tab>value` (Documentation/filesystems/proc.rst).

import { readFileSync, readlinkSync } from "node:fs";

/** One field, undefined where the kernel does not tell it or /proc is not there. */
export function fdInfo(fd: number, field: string): string | undefined {
  try {
    const text = readFileSync(`/proc/self/fdinfo/${fd}`, "utf8");
    return new RegExp(`^${field}:\\s*(.*)$`, "m").exec(text)?.[1];
  } catch {
    return undefined;
  }
}

/** What kind of object is behind a descriptor that has no file: `bpf-map`; undefined where /proc is not there. */
export function fdKind(fd: number): string | undefined {
  try {
    return /^anon_inode:\[?(.*?)\]?$/.exec(readlinkSync(`/proc/self/fd/${fd}`))?.[1];
  } catch {
    return undefined;
  }
}
