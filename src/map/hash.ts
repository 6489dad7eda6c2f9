// BPF_MAP_TYPE_HASH (kernel/bpf/hashtab.c): keys to values, as JavaScript's own Map where it can be.

import { BPF_ANY, BPF_MAP_TYPE_HASH } from "elf-loader/uapi";
import { BpfMap, scratch } from "./map.ts";
import type { MapType } from "./type.ts";

export class BpfHashMap extends BpfMap {
  /** The value, or undefined where the key is not there. */
  get(key: unknown): unknown {
    const value = scratch(this.spec.valueSize);
    return this.lookup(this.keyCodec.encode(key), value.u8) ? this.valueCodec.decode(value, 0) : undefined;
  }

  has(key: unknown): boolean {
    return this.lookup(this.keyCodec.encode(key), scratch(this.spec.valueSize).u8);
  }

  /** `flags`: BPF_ANY, BPF_NOEXIST or BPF_EXIST. Throws where the map is full or the flag forbids. */
  set(key: unknown, value: unknown, flags: number = BPF_ANY): this {
    this.update(this.keyCodec.encode(key), this.valueCodec.encode(value), flags);
    return this;
  }

  /** Whether the key was there. */
  delete(key: unknown): boolean {
    return this.remove(this.keyCodec.encode(key));
  }

  /**
   * Every key with its value. Programs may change the map meanwhile: a key that goes is left out. The kernel starts
   * again from the first key when the one it stands on is deleted, so the walk also ends after as many steps as the
   * map can hold entries.
   */
  *entries(): Generator<[key: unknown, value: unknown]> {
    const key = scratch(this.spec.keySize);
    const value = scratch(this.spec.valueSize);
    const seen = key.u8.subarray(0, this.spec.keySize);
    let from: Uint8Array | 0 = 0;
    for (let step = 0; step < this.spec.maxEntries && this.nextKey(from, seen); step++) {
      from = seen;
      if (this.lookup(seen, value.u8)) yield [this.keyCodec.decode(key, 0), this.valueCodec.decode(value, 0)];
    }
  }

  [Symbol.iterator](): Generator<[key: unknown, value: unknown]> {
    return this.entries();
  }
}

export const hash: MapType = { type: BPF_MAP_TYPE_HASH, name: "HASH", since: "3.19", Map: BpfHashMap };
