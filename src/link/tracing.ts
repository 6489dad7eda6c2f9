// fentry and fexit: a kernel function's entry or return by trampoline (kernel/bpf/trampoline.c, 5.5; arm64 6.0);
// tp_btf: a tracepoint with typed arguments. The target is a BTF id, given at load.

import { AttachError, type ProgramSpec, UnsupportedError } from "elf-loader";
import { EINVAL } from "elf-loader/uapi";
import { kernelError } from "../host/kernel-error.ts";
import { vmlinuxBtf } from "../host/vmlinux-btf.ts";
import type { Hook, LoadedProgram } from "../program/hook.ts";
import { linkCreate, rawTracepointOpen } from "../sys/bpf.ts";
import { Fd } from "../sys/fd.ts";
import type { Fields } from "../sys/struct.ts";
import { BpfLink } from "./link.ts";

function targetFields(spec: ProgramSpec, name: string, kind: "func" | "typedef"): Fields {
  const subject = `program ${spec.name}`;
  const btf = vmlinuxBtf();
  if (!btf) {
    throw new UnsupportedError(`Cannot load program ${spec.name}: open(/sys/kernel/btf/vmlinux) gave ENOENT`, {
      subject,
      errno: "ENOENT",
      likely: "the kernel was built without CONFIG_DEBUG_INFO_BTF",
      action: "attach by another hook",
    });
  }
  const id = btf.findByName(name, kind);
  if (id === 0) {
    throw new AttachError(`Cannot load program ${spec.name}: looking up ${name} in the kernel's BTF gave ENOENT`, {
      subject,
      errno: "ENOENT",
      likely: "the function is not there or cannot be traced",
      action: "attach by another hook",
    });
  }
  return { attach_btf_id: id };
}

/** BPF_LINK_CREATE, and before 5.15, which answers EINVAL, BPF_RAW_TRACEPOINT_OPEN without a name. */
function attachTracing(program: LoadedProgram, hook: string, target: string): BpfLink {
  let call = "bpf(BPF_LINK_CREATE)";
  let fd = linkCreate({ prog_fd: program.fd.number, attach_type: program.spec.expectedAttachType });
  if (fd === -EINVAL) {
    call = "bpf(BPF_RAW_TRACEPOINT_OPEN)";
    fd = rawTracepointOpen({ prog_fd: program.fd.number });
  }
  if (fd < 0) {
    throw kernelError(fd, {
      doing: `attach program ${program.name} to ${hook} ${target}`,
      call,
      subject: `program ${program.name}`,
      needs: ["CAP_BPF", "CAP_PERFMON"],
      attaching: true,
      likely: "the kernel has no trampolines on this architecture, or the function is in use",
      action: "attach by another hook",
    });
  }
  return new BpfLink(hook, target, "link", [new Fd(fd)]);
}

function functionHook(name: "fentry" | "fexit"): Hook {
  return {
    name,
    loadFields: (spec) => targetFields(spec, spec.target ?? "", "func"),
    attach: (program, target) => attachTracing(program, name, target),
  };
}

export const fentry = functionHook("fentry");
export const fexit = functionHook("fexit");
export const tpBtf: Hook = {
  name: "tp_btf",
  loadFields: (spec) => targetFields(spec, `btf_trace_${spec.target}`, "typedef"),
  attach: (program, target) => attachTracing(program, "tp_btf", target),
};
