// What of this folder a user of the library sees.

export { BPF_ANY, BPF_EXIST, BPF_F_LOCK, BPF_NOEXIST } from "elf-loader/uapi";
export { BpfArena } from "./arena.ts";
export { ArrayMemory, BpfArray, BpfPlainArray } from "./array.ts";
export { BpfBloomFilter } from "./bloom-filter.ts";
export { BpfCgroupArray } from "./cgroup-array.ts";
export { type AnyCodec, bytesCodec, type Codec, codecOf } from "./codec.ts";
export { createMap, mapIds, mapInfos, type NewMap, openMap, openMapById } from "./create.ts";
export { BpfDescriptorArray, BpfNumberedArray, type HasFd } from "./descriptors.ts";
export { BpfHashMap, BpfLruHashMap } from "./hash.ts";
export { MAP_TYPES, mapType } from "./index.ts";
export { formatAddress, formatPrefix, parseIPv4, parseIPv6, parsePrefix } from "./ip-prefix.ts";
export { BpfCgroupStorage, BpfLocalStorage, BpfPerCpuCgroupStorage } from "./local-storage.ts";
export { BpfLpmTrie } from "./lpm-trie.ts";
export { BpfMap, type MapInfo } from "./map.ts";
export { BpfArrayOfMaps, BpfMapOfMaps } from "./map-of-maps.ts";
export { BpfPerCpuArray, BpfPerCpuHashMap, PerCpuValues } from "./per-cpu.ts";
export { BpfPerfEventArray } from "./perf-event-array.ts";
export { probeMapType } from "./probe.ts";
export { BpfProgArray } from "./prog-array.ts";
export { BpfQueue, BpfStack } from "./queue.ts";
export { BpfCpuMap, BpfDevMap, type CpuTarget, type DeviceTarget, type ReadTarget } from "./redirect.ts";
export { BpfRingBufferMap } from "./ring-buffer.ts";
export { BpfReuseportArray, BpfSockHash, BpfSockMap, BpfXskMap } from "./sockets.ts";
export { BpfStackTrace } from "./stack-trace.ts";
export { BpfKeyedMap, BpfTable, BpfTakeMap } from "./table.ts";
export type { MapType } from "./type.ts";
export { BpfUserRingBufferMap } from "./user-ring-buffer.ts";
