// Why the kernel said EPERM or EACCES: one cause, by evidence, the first that holds.

import { readFileSync } from "node:fs";
import { BPF_MAP_TYPE_ARRAY, EPERM, RLIMIT_MEMLOCK } from "elf-loader/uapi";
import { mapCreate, probeCommand } from "../sys/bpf.ts";
import { close, getrlimit, setrlimit } from "../sys/libc.ts";
import { UNLIMITED } from "../sys/memlock.ts";
import { probePerfFlags } from "../sys/perf-event.ts";
import { boundingCapabilities, effectiveCapabilities, hasCapability, ownStatus } from "./capabilities.ts";

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

/** Containers' default filters allow what these capabilities are for once a container has them. */
const FOLLOWED = ["CAP_BPF", "CAP_PERFMON"];

/**
 * A filter answers EPERM where the kernel would find the arguments bad and say EINVAL. Without CAP_BPF kernels before
 * 5.19 may say EPERM to any bpf(2) themselves; then perf_event_open(2) tells, which looks at its flags before all else.
 */
const seccomp: Check = (_needed, subject) => {
  if (ownStatus("Seccomp") !== "2") return undefined;
  const perfFiltered = probePerfFlags() === -EPERM;
  const bpfFiltered = probeCommand() === -EPERM && (hasCapability("CAP_BPF") || perfFiltered);
  if (!(subject === "perf" ? perfFiltered : bpfFiltered)) return undefined;
  const missing = FOLLOWED.filter((name) => !hasCapability(name));
  const lift = "--security-opt seccomp=unconfined, or a profile that allows it";
  return {
    likely: `a seccomp filter refuses ${subject === "perf" ? "perf_event_open()" : "bpf()"}`,
    action:
      missing.length > 0
        ? `run with ${addFlags(missing)}, which default filters follow, or ${lift}`
        : `run with ${lift}`,
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

function addFlags(missing: readonly string[]): string {
  return missing.map((name) => `--cap-add=${name.replace("CAP_", "")}`).join(" ");
}

const capabilities: Check = (needed, subject) => {
  const held = effectiveCapabilities();
  const missing = needed.filter((name) => !hasCapability(name, held));
  if (missing.length === 0) return undefined;
  if (subject === "tracefs" && missing.includes("CAP_SYS_ADMIN")) return NO_TRACEFS;
  // A container's capabilities bound what its processes may have; those of other users than root start with none.
  const withheld = process.getuid?.() !== 0 && missing.every((name) => hasCapability(name, boundingCapabilities()));
  return {
    likely: `the process lacks ${missing.join(" and ")}`,
    action: withheld
      ? `run as root (in a container --user 0: Docker gives what ${addFlags(missing)} adds to no other user)`
      : `run as root, or in a container with ${addFlags(missing)}`,
  };
};

/** Whoever has it mounted needs no capability for it. */
const NO_TRACEFS: Refusal = {
  likely: "tracefs is not mounted here, and the process lacks CAP_SYS_ADMIN to mount it",
  action:
    "mount it, in a container with --volume=/sys/kernel/tracing:/sys/kernel/tracing, or run with --cap-add=SYS_ADMIN",
};

const paranoid: Check = (_needed, subject) => {
  const level = Number(readText("/proc/sys/kernel/perf_event_paranoid"));
  if (subject !== "perf" || !(level > 2) || hasCapability("CAP_SYS_ADMIN")) return undefined;
  // Debian's kernels know a level 3, at which CAP_PERFMON is not enough.
  return { likely: `kernel.perf_event_paranoid is ${level}`, action: "lower it to 2, or add CAP_SYS_ADMIN" };
};

/** Without memory cgroup accounting (before 5.11) not even the smallest map fits a limit of nothing. */
const memlock: Check = (_needed, subject) => {
  const limits = new BigUint64Array(2);
  if (subject !== "bpf" || getrlimit(RLIMIT_MEMLOCK, limits) < 0 || limits[0] === UNLIMITED) return undefined;
  const smallest = { map_type: BPF_MAP_TYPE_ARRAY, key_size: 4, value_size: 4, max_entries: 1 };
  setrlimit(RLIMIT_MEMLOCK, new BigUint64Array([0n, limits[1] ?? 0n]));
  const fd = mapCreate(smallest);
  setrlimit(RLIMIT_MEMLOCK, limits);
  if (fd >= 0) close(fd);
  if (fd !== -EPERM) return undefined;
  return {
    likely: `RLIMIT_MEMLOCK is ${limits[0]} bytes, which maps and programs count against before kernel 5.11`,
    action: "raise it (--ulimit memlock=-1), or ask for smaller buffers",
  };
};

const lsm: Check = () => ({
  likely: `a Linux security module refuses it (${readText("/sys/kernel/security/lsm") || "none listed"}) or the kernel is locked down`,
  action: "look in the kernel's log (dmesg) for the refusal",
});

const CHECKS: readonly Check[] = [seccomp, userNamespace, lockdown, capabilities, paranoid, memlock];

/** The cause of a refusal of something that needs these capabilities. */
export function explainRefusal(needed: readonly string[], subject: "bpf" | "perf" | "tracefs" = "bpf"): Refusal {
  for (const check of CHECKS) {
    const refusal = check(needed, subject);
    if (refusal) return refusal;
  }
  return lsm(needed, subject) as Refusal;
}
