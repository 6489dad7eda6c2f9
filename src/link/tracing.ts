// fentry, fexit, fmod_ret and fsession: a function's entry, return, what it returns, or both, by trampoline
// (kernel/bpf/trampoline.c, 5.5; arm64 6.0); tp_btf: a tracepoint with typed arguments; lsm: a hook of the security
// modules (kernel/bpf/bpf_lsm.c, 5.7); freplace: a function of another program. The target is a BTF id, given at load.
// They look at the option cookie (6.0).

import { AttachError } from "elf-loader";
import { EINVAL } from "elf-loader/uapi";
import type { AttachOptions, Hook, LoadedProgram } from "../program/hook.ts";
import { linkCreate, rawTracepointOpen } from "../sys/bpf.ts";
import { btfTarget, type Naming } from "./attach-btf.ts";
import { asLink, type BpfLink } from "./link.ts";
import { noCookie } from "./perf-event-link.ts";
import { cookieOf, refuse } from "./refuse.ts";

/** BPF_LINK_CREATE, and before 5.15, which answers EINVAL, BPF_RAW_TRACEPOINT_OPEN without a name. */
function attachTracing(program: LoadedProgram, hook: string, options: AttachOptions, likely: string): BpfLink {
  const target = program.spec.target ?? "";
  const cookie = cookieOf(options);
  const fields = { prog_fd: program.fd.number, attach_type: program.spec.expectedAttachType };
  let call = "bpf(BPF_LINK_CREATE)";
  let fd = linkCreate({ ...fields, "tracing.cookie": cookie });
  if (fd === -EINVAL && cookie) throw noCookie(program, `${hook} ${target}`, "6.0");
  if (fd === -EINVAL) {
    call = "bpf(BPF_RAW_TRACEPOINT_OPEN)";
    fd = rawTracepointOpen({ prog_fd: program.fd.number });
  }
  if (fd >= 0) return asLink(fd, hook, target);
  throw refuse(fd, program, `${hook} ${target}`, call, { likely, action: "attach by another hook" });
}

const NO_TRAMPOLINE = "the kernel has no trampolines on this architecture, or the function is in use";

function tracingHook(name: string, naming: Naming, likely = NO_TRAMPOLINE): Hook {
  return {
    name,
    loadTarget: (spec) => btfTarget(spec, naming),
    attach: (program, options) => attachTracing(program, name, options, likely),
  };
}

const ofFunction: Naming = { prefix: "", kind: "func" };
const ofTracepoint: Naming = { prefix: "btf_trace_", kind: "typedef", symbol: "__traceiter_" };
/** Naming of the hooks of security modules, for those of cgroups too. */
export const ofLsm: Naming = { prefix: "bpf_lsm_", kind: "func" };

export const fentry = tracingHook("fentry", ofFunction);
export const fexit = tracingHook("fexit", ofFunction);
export const fmodRet = tracingHook("fmod_ret", ofFunction);
export const fsession = tracingHook("fsession", ofFunction);
export const tpBtf = tracingHook("tp_btf", ofTracepoint);
export const lsm = tracingHook("lsm", ofLsm, `${NO_TRAMPOLINE}, or it was built without CONFIG_BPF_LSM`);
const replacing = tracingHook("freplace", ofFunction, "the function was replaced already, or is of another type");
/** The program it is for is given as the spec's `targetProgram`, before load: the kernel's own functions are not replaced. */
export const freplace: Hook = {
  ...replacing,
  loadTarget(spec) {
    if (spec.targetProgram !== undefined) return replacing.loadTarget?.(spec) ?? { fields: {} };
    throw new AttachError(`Cannot load program ${spec.name}: nothing says of which program it replaces a function`, {
      subject: `program ${spec.name}`,
      likely: "only who has loaded that program can",
      action: "give its descriptor (targetProgram) before loading",
    });
  },
};
