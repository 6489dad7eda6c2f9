// Network interfaces of this thread's network namespace, by name (netdevice(7), /proc/net/dev).

import { readFileSync } from "node:fs";
import { EAFNOSUPPORT } from "elf-loader/uapi";
import { interfaceIndex } from "../sys/libc.ts";
import { probeSocket } from "../sys/tcp.ts";
import { closeHint } from "./close-names.ts";
import { kernelError } from "./kernel-error.ts";

/** Names of all interfaces, up or not; [] where /proc is not to be had. */
export function interfaceNames(): string[] {
  try {
    const lines = readFileSync("/proc/thread-self/net/dev", "utf8").split("\n");
    return lines.flatMap((line) => /^\s*([^\s:|]+):/.exec(line)?.[1] ?? []);
  } catch {
    return [];
  }
}

/**
 * The kernel's number of an interface, by its name or already a number; or why there is none, for a message. Throws where
 * the kernel cannot be asked: libc does so by a socket.
 */
export function findInterface(name: string): number | string {
  if (/^\d+$/.test(name)) return Number(name);
  const index = interfaceIndex(name);
  if (index > 0) return index;
  const refused = probeSocket();
  if (refused === -EAFNOSUPPORT) return `there is no interface ${name}${closeHint(name, interfaceNames())}`;
  const subject = `interface ${name}`;
  throw kernelError(refused, { doing: `find ${subject}`, call: "socket()", subject, needs: [] });
}
