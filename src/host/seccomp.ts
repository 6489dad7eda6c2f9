// Whether a seccomp filter refuses a call (seccomp(2)): it answers before the kernel looks at the arguments, so arguments
// that no kernel takes get another answer than the kernel's own. EPERM is what the first filters said, ENOSYS
// what newer ones say to calls that they do not name.

import { existsSync, readFileSync } from "node:fs";
import { E2BIG, EAFNOSUPPORT, EINVAL, ENOSYS, EPERM } from "elf-loader/uapi";
import { probeOversize } from "../sys/bpf.ts";
import { probeMountFlags } from "../sys/mount.ts";
import { probePerfFlags } from "../sys/perf-event.ts";
import { probeSocket } from "../sys/tcp.ts";
import { hasCapability, hasKernelCapability, ownStatus } from "./capabilities.ts";
import { addFlags, type Refusal, type Subject, TRACEFS_VOLUME } from "./cause.ts";

/** A call that filters refuse. */
interface Filterable {
  readonly call: string;
  /** Its answer to arguments that no kernel takes, and what the kernel itself says to them: -EINVAL. */
  readonly probe: () => number;
  readonly answer: number;
  /** Whether the kernel was built with the call, which ENOSYS denies. */
  readonly exists: () => boolean;
  /** Whether the kernel itself would look at those arguments, and not say EPERM before. */
  readonly heard: () => boolean;
  /** Default filters of container runtimes allow the call once a container has these. */
  readonly followed: readonly string[];
  readonly lift: string;
}

const ALLOWED = "--security-opt seccomp=PROFILE with one that allows it";
const OUR_PROFILE = `${ALLOWED} (scripts/containers/seccomp.json), or unconfined`;
const FOLLOWED = ["CAP_BPF", "CAP_PERFMON"];

const FILTERABLE: { readonly [subject in Subject]?: Filterable } = {
  bpf: {
    call: "bpf()",
    probe: probeOversize,
    answer: -E2BIG,
    exists: () => existsSync(UNPRIVILEGED),
    heard: bpfHeard,
    followed: FOLLOWED,
    lift: OUR_PROFILE,
  },
  perf: {
    call: "perf_event_open()",
    probe: probePerfFlags,
    answer: -EINVAL,
    exists: () => existsSync("/proc/sys/kernel/perf_event_paranoid"), // perf_event_open(2): how to tell
    heard: () => true,
    followed: FOLLOWED,
    lift: OUR_PROFILE,
  },
  tracefs: {
    call: "fsopen()",
    probe: probeMountFlags,
    answer: -EINVAL,
    exists: () => true, // since 5.2
    heard: () => hasKernelCapability("CAP_SYS_ADMIN"),
    followed: ["CAP_SYS_ADMIN"],
    lift: `${TRACEFS_VOLUME}, or ${ALLOWED}`,
  },
  socket: {
    call: "socket()",
    probe: probeSocket,
    answer: -EAFNOSUPPORT,
    exists: () => true,
    heard: () => true,
    followed: ["CAP_NET_ADMIN"],
    lift: `${ALLOWED}, or unconfined`,
  },
};

/** CONFIG_BPF_SYSCALL makes it. */
const UNPRIVILEGED = "/proc/sys/kernel/unprivileged_bpf_disabled";

/**
 * Before 5.19 every bpf(2) without CAP_BPF is EPERM while that is set; since, only what makes maps and programs is
 * (kernel/bpf/syscall.c). No call tells the two apart where a filter may answer it; what else came with 5.19 does.
 */
function bpfHeard(): boolean {
  return hasKernelCapability("CAP_BPF") || readText(UNPRIVILEGED).trim() === "0" || hasTypesOf519();
}

const hasTypesOf519 = () => readText("/sys/kernel/btf/vmlinux").includes("\0BPF_FUNC_kptr_xchg\0");

function readText(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}

function isFiltered({ probe, answer, exists, heard }: Filterable): boolean {
  const given = probe();
  if (given === answer) return false;
  if (given === -ENOSYS) return exists();
  return given !== -EPERM || heard() || bothRefused();
}

/** Where bpf(2) leaves it open perf_event_open(2) tells, which looks at its flags before all else: filters refuse both. */
const bothRefused = () => probePerfFlags() !== -EINVAL;

/** SECCOMP_MODE_FILTER */
const isOn = () => ownStatus("Seccomp") === "2";

/** Whether a filter says ENOSYS to what the kernel has. */
export function hiddenByFilter(subject: Subject = "bpf"): boolean {
  const filterable = FILTERABLE[subject];
  return filterable !== undefined && isOn() && filterable.probe() === -ENOSYS && filterable.exists();
}

/** The filter as the cause; undefined where none refuses the call. */
export function seccomp(_needed: readonly string[], subject: Subject): Refusal | undefined {
  const filterable = FILTERABLE[subject];
  if (!filterable || !isOn() || !isFiltered(filterable)) return undefined;
  const { call, followed, lift } = filterable;
  const missing = followed.filter((name) => !hasCapability(name));
  const add = missing.length > 0 ? `${addFlags(missing)}, which default filters follow, or ` : "";
  return { likely: `a seccomp filter refuses ${call}`, action: `run with ${add}${lift}` };
}
