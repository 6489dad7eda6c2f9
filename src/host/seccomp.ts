// Whether a seccomp filter refuses a call (seccomp(2)): it answers before the kernel looks at the arguments, so arguments
// that no kernel takes get another answer than the kernel's own. EPERM is what the first filters said, ENOSYS
// what newer ones say to calls that they do not name.

import { existsSync } from "node:fs";
import {
  BPF_BTF_LOAD,
  BPF_LINK_CREATE,
  BPF_MAP_CREATE,
  BPF_MAP_UPDATE_ELEM,
  BPF_OBJ_GET,
  BPF_OBJ_PIN,
  BPF_PROG_ATTACH,
  BPF_PROG_LOAD,
  BPF_RAW_TRACEPOINT_OPEN,
  E2BIG,
  EAFNOSUPPORT,
  EBADF,
  EINVAL,
  ENOSYS,
  EPERM,
} from "elf-loader/uapi";
import { probeOversize } from "../sys/bpf.ts";
import { probeFsconfig, probeFsmount, probeFsopen } from "../sys/mount.ts";
import { probePerfFlags } from "../sys/perf-event.ts";
import { probeBind, probeListen, probeSocket } from "../sys/tcp.ts";
import { hasCapability, hasKernelCapability, ownStatus } from "./capabilities.ts";
import { addFlags, type Refusal, type RefusedCall, TRACEFS_VOLUME } from "./cause.ts";
import { fileText } from "./file-text.ts";

/** A call that filters refuse. */
interface Filterable {
  /** Its answer to arguments that no kernel takes, and what the kernel itself says to them. */
  readonly probe: (operation: string) => number;
  readonly answer: number;
  /** Whether the kernel was built with the call, which ENOSYS denies. */
  readonly exists?: () => boolean;
  /** Whether the kernel itself would look at those arguments, and not say EPERM before. */
  readonly heard?: () => boolean;
  /** Default filters of container runtimes allow the call once a container has these. */
  readonly followed?: readonly string[];
  readonly lift: string;
}

const ALLOWED = "--security-opt seccomp=PROFILE with one that allows it";
const OUR_PROFILE = `${ALLOWED} (scripts/containers/seccomp.json), or unconfined`;
const FOLLOWED = ["CAP_BPF", "CAP_PERFMON"];

/** A file that a kernel built with the call makes; where no file of its folder is to be seen (subset=pid) it may have. */
const makes = (name: string) => () => existsSync(`${SYSCTLS}/${name}`) || !existsSync(SYSCTLS);
const SYSCTLS = "/proc/sys/kernel";

/** Of a mount without a path, since 5.2: may_mount() comes before the look at the flags. */
const mounting = (probe: () => number, heard?: () => boolean): Filterable => ({
  ...{ probe, answer: -EINVAL, followed: ["CAP_SYS_ADMIN"], lift: `${TRACEFS_VOLUME}, or ${ALLOWED}` },
  ...(heard && { heard }),
});
const mayMount = () => hasKernelCapability("CAP_SYS_ADMIN");

const ofSockets = (probe: () => number, answer: number, followed: readonly string[] = []): Filterable => ({
  ...{ probe, answer, followed, lift: `${ALLOWED}, or unconfined` },
});

/** Commands that make or attach something, by the names that messages have for them. */
const COMMANDS: ReadonlyMap<string, number> = new Map(
  Object.entries({
    ...{ BPF_MAP_CREATE, BPF_MAP_UPDATE_ELEM, BPF_BTF_LOAD, BPF_PROG_LOAD, BPF_OBJ_PIN, BPF_OBJ_GET },
    ...{ BPF_LINK_CREATE, BPF_PROG_ATTACH, BPF_RAW_TRACEPOINT_OPEN },
  }),
);

/** A filter may look at the command: where the kernel would hear it, that very one is tried. */
const probeBpf = (command: string): number =>
  probeOversize(hasKernelCapability("CAP_BPF") ? COMMANDS.get(command) : undefined);

/** By the call's name. */
const FILTERABLE: { readonly [call: string]: Filterable } = {
  bpf: {
    ...{ probe: probeBpf, answer: -E2BIG, heard: bpfHeard },
    ...{ exists: makes("unprivileged_bpf_disabled"), followed: FOLLOWED, lift: OUR_PROFILE },
  },
  perf_event_open: {
    ...{ probe: probePerfFlags, answer: -EINVAL },
    ...{ exists: makes("perf_event_paranoid"), followed: FOLLOWED, lift: OUR_PROFILE }, // perf_event_open(2): how to tell
  },
  fsopen: mounting(probeFsopen, mayMount),
  fsconfig: mounting(probeFsconfig),
  fsmount: mounting(probeFsmount, mayMount),
  socket: ofSockets(probeSocket, -EAFNOSUPPORT, ["CAP_NET_ADMIN"]),
  bind: ofSockets(probeBind, -EBADF),
  listen: ofSockets(probeListen, -EBADF),
};

/** What a message calls `bpf(BPF_MAP_CREATE)`: the call and what stands in its parentheses. */
function parseCall(call: string): { name: string; operation: string; filterable: Filterable | undefined } {
  const [, name = "", operation = ""] = /^(\w+)(?:\((\w*)\))?/.exec(call) ?? [];
  return { name, operation, filterable: Object.hasOwn(FILTERABLE, name) ? FILTERABLE[name] : undefined };
}

/**
 * Before 5.19 every bpf(2) without CAP_BPF is EPERM while that is set; since, only what makes maps and programs is
 * (kernel/bpf/syscall.c). No call tells the two apart where a filter may answer it; what else came with 5.19 does.
 */
function bpfHeard(): boolean {
  return hasKernelCapability("CAP_BPF") || fileText(`${SYSCTLS}/unprivileged_bpf_disabled`) === "0" || hasTypesOf519();
}

const hasTypesOf519 = () => fileText("/sys/kernel/btf/vmlinux").includes("\0BPF_FUNC_kptr_xchg\0");

function isFiltered({ probe, answer, exists, heard }: Filterable, operation: string): boolean {
  const given = probe(operation);
  if (given === answer) return false;
  if (given === -ENOSYS) return exists?.() ?? true;
  return given !== -EPERM || !heard || heard() || bothRefused();
}

/** Where bpf(2) leaves it open perf_event_open(2) tells, which looks at its flags before all else: filters refuse both. */
const bothRefused = () => probePerfFlags() !== -EINVAL;

/** Whether this process has any filter: SECCOMP_MODE_FILTER. */
export const isFiltering = (): boolean => ownStatus("Seccomp") === "2";

/** Whether a filter says ENOSYS to what the kernel has. `call`: as in messages. */
export function hiddenByFilter(call: string): boolean {
  const { filterable, operation } = parseCall(call);
  return isFiltering() && filterable?.probe(operation) === -ENOSYS && (filterable.exists?.() ?? true);
}

/** The filter as the cause; undefined where none refuses the call. */
export function seccomp({ call }: RefusedCall): Refusal | undefined {
  const { name, operation, filterable } = parseCall(call);
  if (!filterable || !isFiltering() || !isFiltered(filterable, operation)) return undefined;
  const { followed = [], lift } = filterable;
  const missing = followed.filter((capability) => !hasCapability(capability));
  const add = missing.length > 0 ? `${addFlags(missing)}, which default filters follow, or ` : "";
  return { likely: `a seccomp filter refuses ${name}()`, action: `run with ${add}${lift}` };
}
