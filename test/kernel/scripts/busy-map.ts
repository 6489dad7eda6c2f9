// Writes and reads a map by bpf() until it is killed; says when it begins.

import { type BpfTable, createMap } from "../../../src/index.ts";

const ENTRIES = 4096;
const BPF_MAP_TYPE_HASH = 1; // include/uapi/linux/bpf.h

const spec = { name: "busy", type: BPF_MAP_TYPE_HASH, keySize: 4, valueSize: 4, maxEntries: ENTRIES };
const map = createMap(spec) as BpfTable<Uint8Array, Uint8Array>;
const keys = Array.from({ length: ENTRIES }, (_, key) => new Uint8Array(new Uint32Array([key]).buffer));
console.log("ready");
for (;;)
  for (const key of keys) {
    map.set(key, key);
    map.get(key);
  }
