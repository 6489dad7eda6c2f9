// The kernel's side of a struct of functions: which of its types it is, in its own BTF or a module's, and the object's struct
// laid out as that one. Source: find_struct_ops_kern_types and bpf_map__init_kern_struct_ops in libbpf's libbpf.c.

import { assemble, type Btf, type BtfComposite, type MapSlot, type MapSpec, UnsupportedError } from "elf-loader";
import { BPF_ALU64, BPF_EXIT, BPF_JMP, BPF_K, BPF_MOV, BPF_PROG_TYPE_SOCKET_FILTER } from "elf-loader/uapi";
import { moduleBtfs } from "../host/kernel-types.ts";
import { vmlinuxBtf } from "../host/vmlinux-btf.ts";
import { handmadeProgram, progLoad } from "../sys/bpf.ts";
import { Fd } from "../sys/fd.ts";
import { withMemlockRaised } from "../sys/memlock.ts";

const POINTER_SIZE = 8;

/** The kernel's struct, and where it is in what wraps it as a map's value: `struct bpf_struct_ops_NAME`. */
export interface KernelStruct {
  readonly btf: Btf;
  /** Whose BTF it is; undefined for the kernel's own. */
  readonly module?: string | undefined;
  /** Ids in that BTF. */
  readonly id: number;
  readonly valueId: number;
  /** Bytes of the value. */
  readonly size: number;
  /** Byte offset of the struct in it. */
  readonly at: number;
  readonly struct: BtfComposite;
}

let wakened = false;
/**
 * Before the first program since it was started an older kernel has not read its own BTF, and knows no operations
 * (ENOTSUPP; bpf_get_btf_vmlinux, called by bpf_check alone on 5.10). Any program will do.
 */
function wakeKernelBtf(): void {
  if (wakened) return;
  const least = assemble([{ code: BPF_ALU64 | BPF_MOV | BPF_K, imm: 0 }, { code: BPF_JMP | BPF_EXIT }]);
  using program = new Fd(withMemlockRaised(() => progLoad(handmadeProgram(BPF_PROG_TYPE_SOCKET_FILTER, least))));
  wakened = program.number >= 0;
}

/** Such operations of the kernel or, since 6.9, of a module. */
export function findKernelStruct(name: string): KernelStruct | undefined {
  wakeKernelBtf();
  return firstStruct(name, vmlinuxBtf(), moduleBtfs());
}

/** In the kernel's own types, else in the first module's on top of them that has it; those are read only then. */
export function firstStruct(name: string, vmlinux: Btf | undefined, modules: Iterable<Btf>): KernelStruct | undefined {
  const own = vmlinux && structIn(vmlinux, name);
  if (own) return own;
  for (const btf of modules) {
    const found = structIn(btf, name);
    if (found) return { ...found, module: btf.name };
  }
  return undefined;
}

function structIn(btf: Btf, name: string): KernelStruct | undefined {
  const valueId = btf.findByName(`bpf_struct_ops_${name}`, "struct");
  const value = valueId === 0 ? undefined : btf.type(valueId);
  const data = value?.kind === "struct" ? value.members.find((member) => member.name === "data") : undefined;
  const id = data ? btf.resolve(data.type) : 0;
  const struct = btf.type(id);
  if (!data || value?.kind !== "struct" || struct.kind !== "struct") return undefined;
  return { btf, id, valueId, size: value.size, at: data.bitOffset / 8, struct };
}

/** Throws UnsupportedError where the kernel has no such operations. */
export function kernelStruct(name: string): KernelStruct {
  const found = findKernelStruct(name);
  if (found) return found;
  throw new UnsupportedError(`Cannot create a map of struct ${name}: the kernel has no such operations`, {
    subject: `struct ${name}`,
    likely: "the kernel is older than these operations, or was built without them",
    action: "use a newer kernel",
  });
}

type Member = BtfComposite["members"][number];

/**
 * The object's struct as the kernel has it: the value's bytes, and the slots of its programs counted in it. Members that the
 * kernel lacks are left out where they are zero. Throws UnsupportedError where one does not fit.
 */
export function layOut(spec: MapSpec, local: Btf, kernel: KernelStruct): Required<Pick<MapSpec, "contents" | "slots">> {
  const { structOps, contents = new Uint8Array() } = spec;
  const mine = local.type(structOps?.typeId ?? 0);
  const value = new Uint8Array(kernel.size);
  const slots: MapSlot[] = [];
  for (const member of mine.kind === "struct" ? mine.members : []) {
    const from = member.bitOffset / 8;
    const bytes = contents.subarray(from, from + local.sizeOf(member.type));
    const slot = spec.slots?.find(({ index }) => index * POINTER_SIZE === from);
    const unset = !slot && bytes.every((byte) => byte === 0);
    const goal = kernel.struct.members.find(({ name }) => name === member.name);
    if (!goal && unset) continue;
    const why = goal ? misfit(local, member, kernel.btf, goal) : "is not in the kernel's";
    if (!goal || why) throw refusal(spec, member.name, why);
    const pointer = kernel.btf.resolved(goal.type);
    if (pointer.kind === "pointer" && !unset && !(slot && isFunction(kernel.btf, pointer.type)))
      throw refusal(spec, member.name, slot ? "is no function in the kernel's" : "is set to what is no program");
    const to = kernel.at + goal.bitOffset / 8;
    if (slot) slots.push({ index: to / POINTER_SIZE, name: slot.name });
    else value.set(bytes, to);
  }
  return { contents: value, slots };
}

/** What makes two members of one name another thing; empty where nothing does. */
function misfit(local: Btf, member: Member, kernel: Btf, goal: Member): string {
  if (member.bitSize > 0 || goal.bitSize > 0) return "is a bit-field";
  const [mine, theirs] = [local.resolved(member.type), kernel.resolved(goal.type)];
  if (mine.kind !== theirs.kind) return `is of kind ${mine.kind}, the kernel's of kind ${theirs.kind}`;
  const [size, wanted] = [local.sizeOf(member.type), kernel.sizeOf(goal.type)];
  return size === wanted ? "" : `has ${size} bytes, the kernel's ${wanted}`;
}

const isFunction = (btf: Btf, type: number): boolean => btf.resolved(type).kind === "func_proto";

function refusal(spec: MapSpec, member: string, why: string): UnsupportedError {
  const struct = `struct ${spec.structOps?.name}`;
  return new UnsupportedError(`Cannot use map ${spec.name}: member ${member} of ${struct} ${why}`, {
    subject: `map ${spec.name}`,
    likely: "the kernel is older or newer than the object",
    action: "leave the member out, or declare it as this kernel has it",
  });
}
