// Why the kernel said EPERM or EACCES: one cause, by evidence, the first that holds.

import { readFileSync } from "node:fs";
import { BPF_MAP_TYPE_ARRAY, EPERM, RLIMIT_MEMLOCK } from "elf-loader/uapi";
import { mapCreate } from "../sys/bpf.ts";
import { close, getrlimit, setrlimit } from "../sys/libc.ts";
import { UNLIMITED } from "../sys/memlock.ts";
import { boundingCapabilities, effectiveCapabilities, hasCapability, inUserNamespace } from "./capabilities.ts";
import { addFlags, type Refusal, type Subject, TRACEFS_VOLUME } from "./cause.ts";
import { confinement } from "./confinement.ts";
import { seccomp } from "./seccomp.ts";

type Check = (needed: readonly string[], subject: Subject) => Refusal | undefined;

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return "";
  }
}

/** Capabilities in a user namespace are not the kernel's own: bpf() asks for those of the first namespace. */
const userNamespace: Check = () => {
  if (!inUserNamespace()) return undefined;
  return {
    likely: "this process is in a user namespace, where capabilities do not reach the kernel",
    action: "run it outside (rootful container, no --userns)",
  };
};

/** What is chosen in its file; undefined where that is not to be seen, as in most containers. */
const lockdownMode = () => /\[(\w+)\]/.exec(readText("/sys/kernel/security/lockdown"))?.[1];

const lockdown: Check = (needed) => {
  const mode = lockdownMode();
  // It refuses what reads the kernel's memory, and tracefs; maps it lets be made. The kernel asks for capabilities first:
  // where one is missing it was not the lockdown that refused.
  if (mode !== "confidentiality" || needed.join() === "CAP_BPF" || missingOf(needed).length > 0) return undefined;
  return {
    likely: "the kernel is locked down (lockdown=confidentiality)",
    action: "boot with lockdown=integrity or none",
  };
};

const missingOf = (needed: readonly string[]) => {
  const held = effectiveCapabilities();
  return needed.filter((name) => !hasCapability(name, held));
};

const capabilities: Check = (needed, subject) => {
  const missing = missingOf(needed);
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
  action: `mount it on the host and run with ${TRACEFS_VOLUME}, or run with --cap-add=SYS_ADMIN`,
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
  const confined = confinement();
  if (confined)
    return {
      likely: `a Linux security module refuses it (${confined.by})`,
      action: `look in the kernel's log (dmesg) for the refusal, or run with ${confined.lift}`,
    };
  return {
    likely:
      modules.length > 0
        ? `a Linux security module refuses it (${modules.join(",")})`
        : "a Linux security module or a lockdown refuses it, which cannot be seen from here",
    action: "look in the kernel's log (dmesg) for the refusal",
  };
};

const CHECKS: readonly Check[] = [perfMemory, seccomp, userNamespace, lockdown, capabilities, paranoid, memlock];

/** The cause of a refusal of something that needs these capabilities; `otherwise`: what else its kernel function refuses. */
export function explainRefusal(needed: readonly string[], subject: Subject = "bpf", otherwise?: Refusal): Refusal {
  for (const check of CHECKS) {
    const refusal = check(needed, subject);
    if (refusal) return refusal;
  }
  return otherwise ?? (lsm(needed, subject) as Refusal);
}
