// BPF_MAP_TYPE_PERF_EVENT_ARRAY (kernel/bpf/arraymap.c): perf events by CPU number. Filled by events/perf-buffer.ts.

import type { MapSpec } from "elf-loader";
import { BPF_ANY, BPF_MAP_TYPE_PERF_EVENT_ARRAY } from "elf-loader/uapi";
import { possibleCpuCount } from "../host/cpus.ts";
import { indexKey } from "./codec.ts";
import { BpfMap } from "./map.ts";
import type { MapType } from "./type.ts";

export class BpfPerfEventArray extends BpfMap {
  /** From now on output for this CPU goes to the event; the kernel forgets it when the map's descriptor is closed. */
  setEvent(cpu: number, event: number): void {
    this.update(indexKey(cpu), indexKey(event), BPF_ANY);
  }
}

/** An array without a size is for every possible CPU. */
function sizeToCpus(spec: MapSpec): MapSpec {
  return spec.maxEntries === 0 ? { ...spec, maxEntries: possibleCpuCount() } : spec;
}

export const perfEventArray: MapType = {
  type: BPF_MAP_TYPE_PERF_EVENT_ARRAY,
  name: "PERF_EVENT_ARRAY",
  since: "4.3",
  Map: BpfPerfEventArray,
  adjust: sizeToCpus,
};
