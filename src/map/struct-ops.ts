// BPF_MAP_TYPE_STRUCT_OPS (kernel/bpf/bpf_struct_ops.c, 5.6): one struct of functions that the kernel calls, such as a TCP
// congestion control. The object's struct may have fewer members than the running kernel's, in another order: before the map
// is made its value is laid out as the kernel has it (kernel-struct.ts).

import type { Btf, MapSpec } from "elf-loader";
import { BPF_F_LINK, BPF_F_VTYPE_BTF_OBJ_FD, BPF_MAP_TYPE_STRUCT_OPS } from "elf-loader/uapi";
import { mapUpdateElem } from "../sys/bpf.ts";
import { indexKey } from "./codec.ts";
import { findKernelStruct, kernelStruct, layOut } from "./kernel-struct.ts";
import { BpfMap } from "./map.ts";
import type { MapType } from "./type.ts";

const POINTER_SIZE = 8;

export class BpfStructOps extends BpfMap {
  /** The kernel's value, with descriptors of programs where its pointers are. */
  readonly #value = this.spec.contents?.slice() ?? new Uint8Array(this.spec.valueSize);

  override setSlot(index: number, fd: number): number {
    new DataView(this.#value.buffer).setUint32(index * POINTER_SIZE, fd, true);
    return 0;
  }

  /**
   * Gives the struct to the kernel, with the programs that were loaded; one without a link (.struct_ops) is in use from
   * now on. 0 or -errno.
   */
  fill(): number {
    return mapUpdateElem(this.fd.number, indexKey(0), this.#value);
  }
}

/** The map's value is the kernel's struct, not the object's; of a module's the kernel is told whose (6.9). */
function adjust(spec: MapSpec, types: Btf | undefined): MapSpec {
  if (!spec.structOps || !types) return spec;
  const kernel = kernelStruct(spec.structOps.name);
  const { valueId, size, module } = kernel;
  const flags = module === undefined ? spec.flags : spec.flags | BPF_F_VTYPE_BTF_OBJ_FD;
  const value = { valueSize: size, kernelValueTypeId: valueId, kernelValueModule: module };
  return { ...spec, ...value, flags, ...layOut(spec, types, kernel) };
}

export const structOps: MapType = {
  type: BPF_MAP_TYPE_STRUCT_OPS,
  name: "STRUCT_OPS",
  since: "5.6",
  Map: BpfStructOps,
  adjust,
  laterFlags: [
    {
      ...{ flag: BPF_F_LINK, means: "a struct of functions with a link (.struct_ops.link)", since: "6.4" },
      action: "put it into section .struct_ops, or use a newer kernel",
    },
  ],
  needs: "btf",
  leastHere: () => {
    const { valueId, size } = findKernelStruct("tcp_congestion_ops") ?? {};
    const untyped = { btf_key_type_id: 0, btf_value_type_id: 0 };
    return { ...untyped, value_size: size, btf_vmlinux_value_type_id: valueId };
  },
};
