// Why the kernel said EPERM or EACCES: one cause, by evidence, the first that holds.

import { readFileSync } from "node:fs";
import { bpf_attr_map_elem, EPERM } from "elf-loader/uapi";
import { probeCommand } from "../sys/bpf.ts";
import { effectiveCapabilities, hasCapability, ownStatus } from "./capabilities.ts";

/** What holds a call back, and what to change. */
export interface Refusal {
  readonly likely: string;
  readonly action: string;
}

type Check = (needed: readonly string[], subject: "bpf" | "perf" | "tracefs") => Refusal | undefined;

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return "";
  }
}

/** With CAP_BPF the kernel answers an impossible command with EINVAL; EPERM then comes from a filter before it. */
const seccomp: Check = () => {
  if (ownStatus("Seccomp") !== "2" || !hasCapability("CAP_BPF")) return undefined;
  if (probeCommand(bpf_attr_map_elem) !== -EPERM) return undefined;
  return {
    likely: "a seccomp filter refuses bpf()",
    action: "allow it, for example with --security-opt seccomp=unconfined",
  };
};

/** Capabilities in a user namespace are not the kernel's own: bpf() asks for those of the first namespace. */
const userNamespace: Check = () => {
  const map = readText("/proc/self/uid_map").split(/\s+/);
  if (map.length === 0 || map[0] === "" || (map[0] === "0" && map[1] === "0" && map[2] === "4294967295"))
    return undefined;
  return {
    likely: "this process is in a user namespace, where capabilities do not reach the kernel",
    action: "run it outside (rootful container, no --userns)",
  };
};

const lockdown: Check = () => {
  const mode = /\[(integrity|confidentiality)\]/.exec(readText("/sys/kernel/security/lockdown"))?.[1];
  if (mode !== "confidentiality") return undefined;
  return {
    likely: "the kernel is locked down (lockdown=confidentiality)",
    action: "boot with lockdown=integrity or none",
  };
};

const capabilities: Check = (needed) => {
  const held = effectiveCapabilities();
  const missing = needed.filter((name) => !hasCapability(name, held));
  if (missing.length === 0) return undefined;
  const flags = missing.map((name) => `--cap-add=${name.replace("CAP_", "")}`).join(" ");
  return {
    likely: `the process lacks ${missing.join(" and ")}`,
    action: `run as root, or in a container with ${flags}`,
  };
};

const paranoid: Check = (_needed, subject) => {
  const level = Number(readText("/proc/sys/kernel/perf_event_paranoid"));
  if (subject !== "perf" || !(level > 2) || hasCapability("CAP_SYS_ADMIN")) return undefined;
  // Debian's kernels know a level 3, at which CAP_PERFMON is not enough.
  return { likely: `kernel.perf_event_paranoid is ${level}`, action: "lower it to 2, or add CAP_SYS_ADMIN" };
};

const lsm: Check = () => ({
  likely: `a Linux security module refuses it (${readText("/sys/kernel/security/lsm") || "none listed"}) or the kernel is locked down`,
  action: "look in the kernel's log (dmesg) for the refusal",
});

const CHECKS: readonly Check[] = [seccomp, userNamespace, lockdown, capabilities, paranoid];

/** The cause of a refusal of something that needs these capabilities. */
export function explainRefusal(needed: readonly string[], subject: "bpf" | "perf" | "tracefs" = "bpf"): Refusal {
  for (const check of CHECKS) {
    const refusal = check(needed, subject);
    if (refusal) return refusal;
  }
  return lsm(needed, subject) as Refusal;
}
