// What each map type answers for itself.

import type { Btf, MapSpec } from "elf-loader";
import type { Fd } from "../sys/fd.ts";
import type { Fields } from "../sys/struct.ts";
import type { BpfMap, MapContext } from "./map.ts";

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
    context?: MapContext,
  ) => BpfMap;
  /** What the object, with these types, says, made what the kernel takes, as libbpf does. Throws where the kernel would not. */
  readonly adjust?: (spec: MapSpec, types: Btf | undefined) => MapSpec;
  /** The one way in which the kernel takes the type: a map made without an object need not say it, an object must. */
  readonly only?: {
    /** BPF_F_*, which it must have. */
    readonly flag?: number;
    readonly maxEntries?: (wanted: number) => number;
    /** "with a flag", for messages. */
    readonly says: string;
  };
  /** What the least map of the type has besides a key and a value of 4 bytes and one entry: for the probe. */
  readonly least?: Fields;
  /** The same of what only the running kernel can tell. */
  readonly leastHere?: () => Fields;
  /** Flags that came later than the type: what a map with one is called, since which kernel, and what to do without. */
  readonly laterFlags?: readonly {
    readonly flag: number;
    readonly means: string;
    readonly since: string;
    readonly action: string;
  }[];
  /** Whether the least map must say by BTF what its keys and values are, or is made from a map that is to be in it. */
  readonly needs?: "btf" | "inner map";
  /** What making one takes besides CAP_BPF. */
  readonly capability?: string;
  /** Flags that the kernel adds by itself: they make no map another one. */
  readonly addedFlags?: number;
}
