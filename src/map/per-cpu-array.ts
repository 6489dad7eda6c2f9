// BPF_MAP_TYPE_PERCPU_ARRAY (kernel/bpf/arraymap.c): at each index one value a possible CPU. The kernel copies them
// side by side, each rounded up to 8 bytes.

import { BPF_MAP_TYPE_PERCPU_ARRAY } from "elf-loader/uapi";
import { possibleCpuCount } from "../host/cpus.ts";
import { indexKey } from "./array.ts";
import { BpfMap, scratch } from "./map.ts";
import type { MapType } from "./type.ts";

export class BpfPerCpuArray extends BpfMap {
  /** One value a possible CPU, by CPU number; undefined beyond the end. */
  get(index: number): unknown[] | undefined {
    const stride = (this.spec.valueSize + 7) & ~7;
    const cpus = possibleCpuCount();
    const values = scratch(stride * cpus);
    if (!this.lookup(indexKey(index), values.u8)) return undefined;
    return Array.from({ length: cpus }, (_, cpu) => this.valueCodec.decode(values, cpu * stride));
  }
}

export const perCpuArray: MapType = {
  type: BPF_MAP_TYPE_PERCPU_ARRAY,
  name: "PERCPU_ARRAY",
  since: "4.6",
  Map: BpfPerCpuArray,
};
