// This process's capabilities (capabilities(7)), from /proc/self/status.

import { readFileSync, statSync } from "node:fs";
import { CAPABILITIES } from "elf-loader/uapi";

/** A field of /proc/self/status without its label; "" where there is none. */
export function ownStatus(field: string): string {
  try {
    const status = readFileSync("/proc/self/status", "utf8");
    return new RegExp(`^${field}:[ \\t]*(.*)$`, "m").exec(status)?.[1] ?? "";
  } catch {
    return "";
  }
}

function capabilitySet(field: string): Set<string> {
  const bits = BigInt(`0x${ownStatus(field) || "0"}`);
  const names = new Set<string>();
  for (const [name, bit] of Object.entries(CAPABILITIES)) if (bits & (1n << BigInt(bit))) names.add(name);
  return names;
}

/** The capabilities and no_new_privs of a thread of this process, as text; undefined where it has ended. */
export function threadPrivileges(tid: number): string | undefined {
  try {
    const status = readFileSync(`/proc/self/task/${tid}/status`, "utf8");
    return status.match(/^(Cap\w+|NoNewPrivs):.*$/gm)?.join("\n");
  } catch {
    return undefined;
  }
}

/** The effective set, by name. */
export const effectiveCapabilities = (): Set<string> => capabilitySet("CapEff");

/** What a program could have at most. */
export const boundingCapabilities = (): Set<string> => capabilitySet("CapBnd");

/** Capabilities that another stands for: of the first two it was all before 5.8, and who may write may read (capability.h). */
const STANDS_IN: { readonly [name: string]: string } = {
  CAP_BPF: "CAP_SYS_ADMIN",
  CAP_PERFMON: "CAP_SYS_ADMIN",
  CAP_DAC_READ_SEARCH: "CAP_DAC_OVERRIDE",
};

/** Whether it is held, or another that stands for it. */
export function hasCapability(name: string, held: ReadonlySet<string> = effectiveCapabilities()): boolean {
  return held.has(name) || held.has(STANDS_IN[name] ?? name);
}

/** PROC_USER_INIT_INO, include/linux/proc_ns.h */
const INITIAL_USER_NAMESPACE = 0xeffffffd;

/** Whether this process is in another user namespace than the kernel's first; false where that is not to be known. */
export function inUserNamespace(): boolean {
  try {
    return statSync("/proc/self/ns/user").ino !== INITIAL_USER_NAMESPACE;
  } catch {
    return false;
  }
}

/** Held where the kernel's own things ask for it: capabilities of another user namespace do not count there. */
export const hasKernelCapability = (name: string): boolean => hasCapability(name) && !inUserNamespace();

/** Names of capability numbers: 39 is CAP_BPF. */
export function capabilityNames(numbers: readonly number[]): string[] {
  return Object.keys(CAPABILITIES).filter((name) => numbers.includes(CAPABILITIES[name] as number));
}
