// What a program is told at load of a target that is a type of BTF: attach_btf_id, and of which BTF where it is not the
// kernel's own (kernel/bpf/syscall.c, bpf_prog_load; libbpf's find_kernel_btf_id).

import { AttachError, assemble, type Btf, type BtfKind, type ProgramSpec, UnsupportedError } from "elf-loader";
import { BPF_ALU64, BPF_EXIT, BPF_JMP, BPF_K, BPF_MOV, BPF_REG_0, EPERM } from "elf-loader/uapi";
import { closeHint } from "../host/close-names.ts";
import { kernelError } from "../host/kernel-error.ts";
import { kernelFunctionNames } from "../host/kernel-symbols.ts";
import { moduleBtfs } from "../host/kernel-types.ts";
import { moduleBtfFd } from "../host/module-btf.ts";
import { programBtf } from "../host/program-btf.ts";
import { vmlinuxBtf } from "../host/vmlinux-btf.ts";
import { capabilitiesOf } from "../program/capabilities.ts";
import type { LoadTarget } from "../program/hook.ts";
import { handmadeProgram, progLoad } from "../sys/bpf.ts";
import { Fd } from "../sys/fd.ts";
import { close } from "../sys/libc.ts";
import { withMemlockRaised } from "../sys/memlock.ts";

/** How targets of a kind of hook are named. */
export interface Naming {
  /** Put before the target to have the type's name: `bpf_lsm_`. */
  readonly prefix: string;
  readonly kind: Extract<BtfKind, "func" | "typedef">;
  /** What the kernel's function is called by which a target shows in its symbols; the prefix where nothing is said. */
  readonly symbol?: string;
}

function noBtf(spec: ProgramSpec): UnsupportedError {
  return new UnsupportedError(`Cannot load program ${spec.name}: open(/sys/kernel/btf/vmlinux) gave ENOENT`, {
    subject: `program ${spec.name}`,
    errno: "ENOENT",
    likely: "the kernel was built without CONFIG_DEBUG_INFO_BTF",
    action: "attach by another hook",
  });
}

/** Targets there are, by the kernel's symbols: what the message of one that there is not can hint at. */
function* targetNames({ prefix, symbol = prefix }: Naming): Generator<string> {
  for (const name of kernelFunctionNames()) if (name.startsWith(symbol)) yield name.slice(symbol.length);
}

function notThere(spec: ProgramSpec, target: string, where: string, names: Iterable<string>): AttachError {
  const message = `Cannot load program ${spec.name}: looking up ${target} in ${where} gave ENOENT`;
  return new AttachError(message, {
    subject: `program ${spec.name}`,
    errno: "ENOENT",
    likely: `it is not there or cannot be traced${closeHint(target, names)}`,
    action: "attach by another hook",
  });
}

const RETURN_ZERO = assemble([
  { code: BPF_ALU64 | BPF_MOV | BPF_K, dst: BPF_REG_0, imm: 0 },
  { code: BPF_JMP | BPF_EXIT },
]);

/**
 * Throws where the kernel refuses such programs whatever their target, as one that is locked down does: it is told with
 * the first type of any BTF, which is no function. So 5 MB of types are read only where they are of use.
 */
function refuseEarly(spec: ProgramSpec): void {
  const target = { expected_attach_type: spec.expectedAttachType, attach_btf_id: 1 };
  const fields = handmadeProgram(spec.type, RETURN_ZERO, target);
  const result = withMemlockRaised(() => progLoad(fields));
  if (result >= 0) close(result);
  if (result !== -EPERM) return;
  throw kernelError(result, {
    ...{ doing: `load program ${spec.name}`, call: "bpf(BPF_PROG_LOAD)", subject: `program ${spec.name}` },
    needs: capabilitiesOf(spec.type),
  });
}

/** The target's type by its name; throws AttachError where there is none, UnsupportedError where the kernel has no BTF. */
export function btfTarget(spec: ProgramSpec, naming: Naming): LoadTarget {
  const target = spec.target;
  if (!target)
    throw new AttachError(`Cannot load program ${spec.name}: section ${spec.section} names no target`, {
      subject: `program ${spec.name}`,
      action: "set its target before it is loaded",
    });
  if (spec.targetProgram !== undefined) return programTarget(spec, target, spec.targetProgram);
  refuseEarly(spec);
  const btf = vmlinuxBtf();
  if (!btf) throw noBtf(spec);
  const [, module, inModule] = /^([^:]+):(.+)$/.exec(target) ?? [];
  const id = module ? 0 : btf.findByName(naming.prefix + target, naming.kind);
  if (id !== 0) return { fields: { attach_btf_id: id } };
  const found = moduleTarget(naming.prefix + (inModule ?? target), naming.kind, module);
  if (found) return found;
  throw notThere(spec, target, "the kernel's BTF", targetNames(naming));
}

/** A type of a module, the named one or the first that has it (5.11); undefined where there is none. */
function moduleTarget(name: string, kind: Naming["kind"], module: string | undefined): LoadTarget | undefined {
  for (const btf of moduleBtfs()) {
    if (module !== undefined && btf.name !== module) continue;
    const id = btf
      .findAll([name], new Set([kind]))
      .get(name)
      ?.find((type) => btf.nameOf(type) === name);
    const fd = id && moduleBtfFd(btf.name);
    if (id && fd instanceof Fd) return { fields: { attach_btf_id: id, attach_btf_obj_fd: fd.number }, owned: [fd] };
  }
  return undefined;
}

/** A function of another loaded program. */
function programTarget(spec: ProgramSpec, target: string, program: number): LoadTarget {
  const btf = programBtf(program);
  const id = typeof btf === "number" ? 0 : btf.findByName(target, "func");
  if (id === 0) {
    const names = typeof btf === "number" ? [] : functionNames(btf);
    throw notThere(spec, target, "the BTF of the program it is for", names);
  }
  return { fields: { attach_btf_id: id, attach_prog_fd: program } };
}

function* functionNames(btf: Btf): Generator<string> {
  for (let id = 1; id < btf.typeCount; id++) if (btf.kind(id) === "func") yield btf.nameOf(id);
}
