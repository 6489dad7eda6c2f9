// The list of map types: one file a family, one line a type.

import { arena } from "./arena.ts";
import { array } from "./array.ts";
import { bloomFilter } from "./bloom-filter.ts";
import { cgroupArray } from "./cgroup-array.ts";
import { hash, lruHash, resizableHash } from "./hash.ts";
import { instructionArray } from "./instruction-array.ts";
import {
  cgroupStorage,
  cgrpStorage,
  inodeStorage,
  perCpuCgroupStorage,
  skStorage,
  taskStorage,
} from "./local-storage.ts";
import { lpmTrie } from "./lpm-trie.ts";
import { BpfMap } from "./map.ts";
import { arrayOfMaps, hashOfMaps } from "./map-of-maps.ts";
import { lruPerCpuHash, perCpuArray, perCpuHash } from "./per-cpu.ts";
import { perfEventArray } from "./perf-event-array.ts";
import { progArray } from "./prog-array.ts";
import { queue, stack } from "./queue.ts";
import { cpuMap, devMap, devMapHash } from "./redirect.ts";
import { ringBuffer } from "./ring-buffer.ts";
import { reuseportArray, sockHash, sockMap, xskMap } from "./sockets.ts";
import { stackTrace } from "./stack-trace.ts";
import { structOps } from "./struct-ops.ts";
import type { MapType } from "./type.ts";
import { userRingBuffer } from "./user-ring-buffer.ts";

/** In the order in which kernels learned them: that of their numbers. */
export const MAP_TYPES: readonly MapType[] = [
  hash,
  array,
  progArray,
  perfEventArray,
  perCpuHash,
  perCpuArray,
  stackTrace,
  cgroupArray,
  lruHash,
  lruPerCpuHash,
  lpmTrie,
  arrayOfMaps,
  hashOfMaps,
  devMap,
  sockMap,
  cpuMap,
  xskMap,
  sockHash,
  cgroupStorage,
  reuseportArray,
  perCpuCgroupStorage,
  queue,
  stack,
  skStorage,
  devMapHash,
  structOps,
  ringBuffer,
  inodeStorage,
  taskStorage,
  bloomFilter,
  userRingBuffer,
  cgrpStorage,
  arena,
  instructionArray,
  resizableHash,
];

/** Types without a class of their own are created and opened all the same, as plain BpfMaps. */
export function mapType(type: number): MapType {
  return MAP_TYPES.find((row) => row.type === type) ?? { type, name: `type ${type}`, since: "", Map: BpfMap };
}
