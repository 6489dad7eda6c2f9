// Network interfaces of this thread's network namespace, by name (netdevice(7), /proc/net/dev).

import { readFileSync } from "node:fs";
import { interfaceIndex } from "../sys/libc.ts";
import { closeHint } from "./close-names.ts";

/** Names of all interfaces, up or not; [] where /proc is not to be had. */
export function interfaceNames(): string[] {
  try {
    const lines = readFileSync("/proc/thread-self/net/dev", "utf8").split("\n");
    return lines.flatMap((line) => /^\s*([^\s:|]+):/.exec(line)?.[1] ?? []);
  } catch {
    return [];
  }
}

/** The kernel's number of an interface, by its name or already a number; or why there is none, for a message. */
export function findInterface(name: string): number | string {
  if (/^\d+$/.test(name)) return Number(name);
  const index = interfaceIndex(name);
  return index > 0 ? index : `there is no interface ${name}${closeHint(name, interfaceNames())}`;
}
