// What the kernel says of a descriptor in /proc/self/fdinfo: lines `name:<tab>value` (Documentation/filesystems/proc.rst).

import { readFileSync } from "node:fs";

/** One field, undefined where the kernel does not tell it or /proc is not there. */
export function fdInfo(fd: number, field: string): string | undefined {
  try {
    const text = readFileSync(`/proc/self/fdinfo/${fd}`, "utf8");
    return new RegExp(`^${field}:\\s*(.*)$`, "m").exec(text)?.[1];
  } catch {
    return undefined;
  }
}
