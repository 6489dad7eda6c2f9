// What each map type answers for itself.

import type { Btf, MapSpec } from "elf-loader";
import type { Fd } from "../sys/fd.ts";
import type { BpfMap } from "./map.ts";

/** A row of the list in index.ts: one file a family says all that is special about its types. */
export interface MapType {
  /** BPF_MAP_TYPE_* */
  readonly type: number;
  /** As in the kernel's header, without the prefix. */
  readonly name: string;
  /** First kernel, for messages. */
  readonly since: string;
  /** The class whose methods fit the type. */
  readonly Map: new (
    spec: MapSpec,
    fd: Fd,
    btf?: Btf,
  ) => BpfMap;
  /** What the object says, made what the kernel takes. */
  readonly adjust?: (spec: MapSpec) => MapSpec;
}
