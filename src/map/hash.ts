// BPF_MAP_TYPE_HASH, LRU_HASH and RHASH (kernel/bpf/hashtab.c): keys to values. A full hash map refuses a new key; a full
// LRU hash map drops one that was not used for long, and some before it is full. An RHASH grows and shrinks with what is
// in it, so that max_entries may be generous.

import { BPF_F_NO_PREALLOC, BPF_MAP_TYPE_HASH, BPF_MAP_TYPE_LRU_HASH, BPF_MAP_TYPE_RHASH } from "elf-loader/uapi";
import { BpfTakeMap } from "./table.ts";
import type { MapType } from "./type.ts";

export class BpfHashMap<K = unknown, V = unknown, W = V> extends BpfTakeMap<K, V, W> {}

export class BpfLruHashMap<K = unknown, V = unknown> extends BpfHashMap<K, V> {}

export const hash: MapType = { type: BPF_MAP_TYPE_HASH, name: "HASH", since: "3.19", Map: BpfHashMap };

export const lruHash: MapType = { type: BPF_MAP_TYPE_LRU_HASH, name: "LRU_HASH", since: "4.10", Map: BpfLruHashMap };

/** What is never allocated in advance must be said to be so. */
export const resizableHash: MapType = {
  type: BPF_MAP_TYPE_RHASH,
  name: "RHASH",
  since: "7.2",
  Map: BpfHashMap,
  least: { map_flags: BPF_F_NO_PREALLOC },
};
