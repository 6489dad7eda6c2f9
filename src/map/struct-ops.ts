// BPF_MAP_TYPE_STRUCT_OPS (kernel/bpf/bpf_struct_ops.c, 5.6): one struct of functions that the kernel calls, such as a TCP
// congestion control. The object's struct may have fewer members than the running kernel's, in another order: what the
// kernel gets is made member by member (libbpf's bpf_map__init_kern_struct_ops).

import { assemble, BpfRuntimeError, type Btf, type BtfComposite, type MapSpec, UnsupportedError } from "elf-loader";
import {
  BPF_ALU64,
  BPF_EXIT,
  BPF_JMP,
  BPF_K,
  BPF_MAP_TYPE_STRUCT_OPS,
  BPF_MOV,
  BPF_PROG_TYPE_SOCKET_FILTER,
} from "elf-loader/uapi";
import { vmlinuxBtf } from "../host/vmlinux-btf.ts";
import { handmadeProgram, mapUpdateElem, progLoad } from "../sys/bpf.ts";
import { Fd } from "../sys/fd.ts";
import { withMemlockRaised } from "../sys/memlock.ts";
import { indexKey } from "./codec.ts";
import { BpfMap } from "./map.ts";
import type { MapType } from "./type.ts";

const POINTER_SIZE = 8;

/** The kernel's struct, and where it is in what wraps it as a map's value: `struct bpf_struct_ops_NAME`. */
interface KernelStruct {
  readonly btf: Btf;
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

function findKernelStruct(name: string): KernelStruct | undefined {
  wakeKernelBtf();
  const btf = vmlinuxBtf();
  const valueId = btf?.findByName(`bpf_struct_ops_${name}`, "struct") ?? 0;
  const value = btf?.type(valueId);
  const data = value?.kind === "struct" ? value.members.find((member) => member.name === "data") : undefined;
  const struct = data && btf?.resolved(data.type);
  if (!btf || !data || value?.kind !== "struct" || struct?.kind !== "struct") return undefined;
  return { btf, valueId, size: value.size, at: data.bitOffset / 8, struct };
}

function kernelStruct(name: string): KernelStruct {
  const found = findKernelStruct(name);
  if (found) return found;
  throw new UnsupportedError(`Cannot create a map of struct ${name}: the kernel has no such operations`, {
    subject: `struct ${name}`,
    likely: "the kernel is older than these operations, or was built without them",
    action: "use a newer kernel",
  });
}

export class BpfStructOps extends BpfMap {
  /** Descriptors of programs by the byte offset of their pointer in the object's struct. */
  readonly #programs = new Map<number, number>();

  override setSlot(index: number, fd: number): number {
    this.#programs.set(index * POINTER_SIZE, fd);
    return 0;
  }

  /**
   * Gives the struct to the kernel, with the programs that were loaded; one without a link (.struct_ops) is in use from
   * now on. 0 or -errno. Throws where the kernel's struct lacks what the object's sets.
   */
  fill(): number {
    return mapUpdateElem(this.fd.number, indexKey(0), this.#value());
  }

  #value(): Uint8Array {
    const { structOps, contents = new Uint8Array() } = this.spec;
    const local = this.context.btf;
    const mine = structOps && local?.type(structOps.typeId);
    const kernel = kernelStruct(structOps?.name ?? "");
    const value = new Uint8Array(kernel.size);
    for (const member of mine?.kind === "struct" ? mine.members : []) {
      const from = member.bitOffset / 8;
      const size = local?.sizeOf(member.type) ?? 0;
      const bytes = contents.subarray(from, from + size);
      const program = this.#programs.get(from);
      const goal = kernel.struct.members.find(({ name }) => name === member.name);
      if (program === undefined && bytes.every((byte) => byte === 0)) continue;
      if (!goal || kernel.btf.sizeOf(goal.type) !== size || member.bitSize > 0) throw this.#misfit(member.name);
      const at = kernel.at + goal.bitOffset / 8;
      if (program === undefined) value.set(bytes, at);
      else new DataView(value.buffer).setUint32(at, program, true);
    }
    return value;
  }

  #misfit(member: string): BpfRuntimeError {
    const { name = "" } = this.spec.structOps ?? {};
    return new BpfRuntimeError(
      `Cannot use map ${this.name}: the kernel's struct ${name} has no such member ${member}`,
      {
        subject: `map ${this.name}`,
        likely: "the kernel is older or newer than the object",
        action: "leave the member out",
      },
    );
  }
}

/** The map's value is the kernel's struct, not the object's. */
function adjust(spec: MapSpec): MapSpec {
  if (!spec.structOps) return spec;
  const { valueId, size } = kernelStruct(spec.structOps.name);
  return { ...spec, valueSize: size, kernelValueTypeId: valueId };
}

export const structOps: MapType = {
  type: BPF_MAP_TYPE_STRUCT_OPS,
  name: "STRUCT_OPS",
  since: "5.6",
  Map: BpfStructOps,
  adjust,
  needs: "btf",
  leastHere: () => {
    const { valueId, size } = findKernelStruct("tcp_congestion_ops") ?? {};
    const untyped = { btf_key_type_id: 0, btf_value_type_id: 0 };
    return { ...untyped, value_size: size, btf_vmlinux_value_type_id: valueId };
  },
};
