// Why the kernel said EPERM or EACCES: one cause, by evidence, the first that holds.

import { readFileSync, statSync } from "node:fs";
import { BPF_MAP_TYPE_ARRAY, EPERM, RLIMIT_MEMLOCK } from "elf-loader/uapi";
import { mapCreate, probeCommand } from "../sys/bpf.ts";
import { close, getrlimit, setrlimit } from "../sys/libc.ts";
import { UNLIMITED } from "../sys/memlock.ts";
import { probeMountFlags } from "../sys/mount.ts";
import { probePerfFlags } from "../sys/perf-event.ts";
import { boundingCapabilities, effectiveCapabilities, hasCapability, ownStatus } from "./capabilities.ts";

/** What holds a call back, and what to change. */
export interface Refusal {
  readonly likely: string;
  readonly action: string;
}

/** What was refused: "mlock" is the memory of perf buffers. */
export type Subject = "bpf" | "perf" | "mlock" | "tracefs";
type Check = (needed: readonly string[], subject: Subject) => Refusal | undefined;

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return "";
  }
}

/** Containers' default filters allow what these capabilities are for once a container has them. */
const FOLLOWED = ["CAP_BPF", "CAP_PERFMON"];

const CALLS = { bpf: "bpf()", perf: "perf_event_open()", mlock: "mmap()", tracefs: "fsopen()" } as const;

/** Whether a call is refused before its arguments are looked at; of fsopen(2) only who may mount can tell. */
const FILTERED = {
  perf: () => probePerfFlags() === -EPERM,
  bpf: () => probeCommand() === -EPERM && (hasCapability("CAP_BPF") || FILTERED.perf()),
  mlock: () => false,
  tracefs: () => hasCapability("CAP_SYS_ADMIN") && probeMountFlags() === -EPERM,
} as const;

/**
 * A filter answers EPERM where the kernel would find the arguments bad and say EINVAL. Without CAP_BPF kernels before
 * 5.19 may say EPERM to any bpf(2) themselves; then perf_event_open(2) tells, which looks at its flags before all else.
 */
const seccomp: Check = (_needed, subject) => {
  if (ownStatus("Seccomp") !== "2" || !FILTERED[subject]()) return undefined;
  const missing = FOLLOWED.filter((name) => !hasCapability(name));
  const lift =
    "--security-opt seccomp=PROFILE with one that allows it (scripts/containers/seccomp.json), or unconfined";
  return {
    likely: `a seccomp filter refuses ${CALLS[subject]}`,
    action:
      missing.length > 0
        ? `run with ${addFlags(missing)}, which default filters follow, or ${lift}`
        : `run with ${lift}`,
  };
};

/** PROC_USER_INIT_INO, include/linux/proc_ns.h */
const INITIAL_USER_NAMESPACE = 0xeffffffd;

function ownNamespace(): number {
  try {
    return statSync("/proc/self/ns/user").ino;
  } catch {
    return INITIAL_USER_NAMESPACE; // not to be known: then nothing is said of it
  }
}

/** Capabilities in a user namespace are not the kernel's own: bpf() asks for those of the first namespace. */
const userNamespace: Check = () => {
  if (ownNamespace() === INITIAL_USER_NAMESPACE) return undefined;
  return {
    likely: "this process is in a user namespace, where capabilities do not reach the kernel",
    action: "run it outside (rootful container, no --userns)",
  };
};

/** What is chosen in its file; undefined where that is not to be seen, as in most containers. */
const lockdownMode = () => /\[(\w+)\]/.exec(readText("/sys/kernel/security/lockdown"))?.[1];

const lockdown: Check = (needed) => {
  const mode = lockdownMode();
  // It refuses what reads the kernel's memory, and tracefs; maps it lets be made.
  if (mode !== "confidentiality" || needed.join() === "CAP_BPF") return undefined;
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
    "mount it on the host and run with --volume=/sys/kernel/tracing:/sys/kernel/tracing:ro, or run with --cap-add=SYS_ADMIN",
};

const paranoid: Check = (_needed, subject) => {
  const level = Number(readText("/proc/sys/kernel/perf_event_paranoid"));
  if (subject !== "perf" || !(level > 2) || hasCapability("CAP_SYS_ADMIN")) return undefined;
  // Debian's kernels know a level 3, at which CAP_PERFMON is not enough.
  return { likely: `kernel.perf_event_paranoid is ${level}`, action: "lower it to 2, or run with --cap-add=SYS_ADMIN" };
};

/** perf_mmap() of kernel/events/core.c: so much for each CPU of a user, then the process's limit. */
const perfMemory: Check = (_needed, subject) => {
  if (subject !== "mlock" || hasCapability("CAP_IPC_LOCK")) return undefined;
  const allowance = `kernel.perf_event_mlock_kb (${readText("/proc/sys/kernel/perf_event_mlock_kb")} KiB a CPU)`;
  return {
    likely: `the buffers are larger than ${allowance} and RLIMIT_MEMLOCK allow`,
    action: "ask for smaller ones (--buffer-size), or run with --ulimit memlock=-1 or --cap-add=IPC_LOCK",
  };
};

/**
 * Without memory cgroup accounting (before 5.11) not even the smallest map fits a limit of nothing, and does fit the limit
 * that there is; where something else refuses maps, neither is made.
 */
const memlock: Check = (_needed, subject) => {
  const limits = new BigUint64Array(2);
  if (subject !== "bpf" || getrlimit(RLIMIT_MEMLOCK, limits) < 0 || limits[0] === UNLIMITED) return undefined;
  const smallest = { map_type: BPF_MAP_TYPE_ARRAY, key_size: 4, value_size: 4, max_entries: 1 };
  setrlimit(RLIMIT_MEMLOCK, new BigUint64Array([0n, limits[1] ?? 0n]));
  const withNothing = mapCreate(smallest);
  setrlimit(RLIMIT_MEMLOCK, limits);
  const withLimit = mapCreate(smallest);
  for (const fd of [withNothing, withLimit]) if (fd >= 0) close(fd);
  if (withNothing !== -EPERM || withLimit < 0) return undefined;
  return {
    likely: `RLIMIT_MEMLOCK is ${limits[0]} bytes, which maps and programs count against before kernel 5.11`,
    action: "raise it (--ulimit memlock=-1), or ask for smaller buffers",
  };
};

/** Modules that refuse none of what we ask for. */
const HARMLESS = new Set(["capability", "lockdown", "yama", "landlock", "safesetid", "loadpin", "ima", "evm", ""]);

/** What is left: a security module; where the list of them cannot be seen, as in most containers, or a lockdown like it. */
const lsm: Check = () => {
  const modules = readText("/sys/kernel/security/lsm")
    .trim()
    .split(",")
    .filter((name) => !HARMLESS.has(name));
  return {
    likely:
      modules.length > 0
        ? `a Linux security module refuses it (${modules.join(",")})`
        : "a Linux security module or a lockdown refuses it, which cannot be seen from here",
    action: "look in the kernel's log (dmesg) for the refusal",
  };
};

const CHECKS: readonly Check[] = [perfMemory, seccomp, userNamespace, lockdown, capabilities, paranoid, memlock];

/** The cause of a refusal of something that needs these capabilities. */
export function explainRefusal(needed: readonly string[], subject: Subject = "bpf"): Refusal {
  for (const check of CHECKS) {
    const refusal = check(needed, subject);
    if (refusal) return refusal;
  }
  return lsm(needed, subject) as Refusal;
}
