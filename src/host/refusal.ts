// Why the kernel said EPERM or EACCES: one cause, by evidence, the first that holds.

import { BPF_MAP_TYPE_ARRAY, EACCES, EPERM, RLIMIT_MEMLOCK } from "elf-loader/uapi";
import { mapCreate } from "../sys/bpf.ts";
import { close, getrlimit, setrlimit } from "../sys/libc.ts";
import { UNLIMITED } from "../sys/memlock.ts";
import { boundingCapabilities, effectiveCapabilities, hasCapability, inUserNamespace } from "./capabilities.ts";
import { addFlags, type Refusal, type RefusedCall, TRACEFS_VOLUME } from "./cause.ts";
import { fileText } from "./file-text.ts";
import { seccomp } from "./seccomp.ts";
import { lockdownMode, securityModule } from "./security-module.ts";

/** What is asked of a call that says nothing of it itself. */
type Asked = RefusedCall & Required<Pick<RefusedCall, "needs" | "kind">>;
type Check = (asked: Asked) => Refusal | undefined;

/** Capabilities in a user namespace are not the kernel's own: bpf() asks for those of the first namespace. */
const userNamespace: Check = () => {
  if (!inUserNamespace()) return undefined;
  return {
    likely: "this process is in a user namespace, where capabilities do not reach the kernel",
    action: "run it outside (rootful container, no --userns)",
  };
};

const lockdown: Check = ({ needs, result }) => {
  if (result === -EACCES) return undefined; // which it never says (security_locked_down)
  const mode = lockdownMode();
  // It refuses what reads the kernel's memory, and tracefs; maps it lets be made. The kernel asks for capabilities first:
  // where one is missing it was not the lockdown that refused.
  if (mode !== "confidentiality" || needs.join() === "CAP_BPF" || missingOf(needs).length > 0) return undefined;
  return {
    likely: "the kernel is locked down (lockdown=confidentiality)",
    action: "boot with lockdown=integrity or none",
  };
};

const missingOf = (needs: readonly string[]) => {
  const held = effectiveCapabilities();
  return needs.filter((name) => !hasCapability(name, held));
};

const capabilities: Check = ({ needs, kind }) => {
  const missing = missingOf(needs);
  if (missing.length === 0) return undefined;
  if (kind === "tracefs" && missing.includes("CAP_SYS_ADMIN")) return NO_TRACEFS;
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

const paranoid: Check = ({ kind }) => {
  const level = Number(fileText("/proc/sys/kernel/perf_event_paranoid"));
  if (kind !== "perf" || !(level > 2) || hasCapability("CAP_SYS_ADMIN")) return undefined;
  // Debian's kernels know a level 3, at which CAP_PERFMON is not enough.
  return { likely: `kernel.perf_event_paranoid is ${level}`, action: "lower it to 2, or run with --cap-add=SYS_ADMIN" };
};

/** perf_mmap() of kernel/events/core.c: so much for each CPU of a user, then the process's limit. */
const perfMemory: Check = ({ kind }) => {
  if (kind !== "mlock" || hasCapability("CAP_IPC_LOCK")) return undefined;
  const allowance = `kernel.perf_event_mlock_kb (${fileText("/proc/sys/kernel/perf_event_mlock_kb")} KiB a CPU)`;
  return {
    likely: `the buffers are larger than ${allowance} and RLIMIT_MEMLOCK allow`,
    action: "ask for smaller ones (--buffer-size), or run with --ulimit memlock=-1 or --cap-add=IPC_LOCK",
  };
};

/** What maps and programs are made by: what is done with them later counts no more. */
const COUNTED = /BPF_(MAP_CREATE|PROG_LOAD)/;

/**
 * Without memory cgroup accounting (before 5.11) not even the smallest map fits a limit of nothing, and does fit the limit
 * that there is; where something else refuses maps, neither is made.
 */
const memlock: Check = ({ call }) => {
  const limits = new BigUint64Array(2);
  if (!COUNTED.test(call) || getrlimit(RLIMIT_MEMLOCK, limits) < 0 || limits[0] === UNLIMITED) return undefined;
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

const CHECKS: readonly Check[] = [perfMemory, seccomp, userNamespace, lockdown, capabilities, paranoid, memlock];

/** The cause of a refusal. */
export function explainRefusal(refused: RefusedCall): Refusal {
  const asked: Asked = { ...refused, needs: refused.needs ?? ["CAP_BPF"], kind: refused.kind ?? "bpf" };
  for (const check of CHECKS) {
    const refusal = check(asked);
    if (refusal) return refusal;
  }
  return refused.forbidden ?? securityModule(asked.call);
}
