// BPF_MAP_TYPE_CGROUP_ARRAY (kernel/bpf/arraymap.c): cgroups for bpf_current_task_under_cgroup() and its like, by the
// descriptors of their folders. User space cannot read it.

import { BPF_MAP_TYPE_CGROUP_ARRAY } from "elf-loader/uapi";
import type { Fd } from "../sys/fd.ts";
import { NO_CGROUP } from "./causes.ts";
import { BpfDescriptorArray, openPath } from "./descriptors.ts";
import type { MapType } from "./type.ts";

export class BpfCgroupArray extends BpfDescriptorArray {
  protected override readonly misfit = NO_CGROUP;

  /** A cgroup by the path of its folder. */
  override valueFrom(text: string): Fd {
    return openPath(text);
  }
}

export const cgroupArray: MapType = {
  type: BPF_MAP_TYPE_CGROUP_ARRAY,
  name: "CGROUP_ARRAY",
  since: "4.8",
  Map: BpfCgroupArray,
};
