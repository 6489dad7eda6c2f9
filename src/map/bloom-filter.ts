// BPF_MAP_TYPE_BLOOM_FILTER (kernel/bpf/bloom_filter.c, 5.16): remembers values without keeping them. What was added is
// always known again; what was not may be taken for known, seldom.

import { BPF_ANY, BPF_MAP_TYPE_BLOOM_FILTER } from "elf-loader/uapi";
import { BpfMap } from "./map.ts";
import type { MapType } from "./type.ts";

/** The kernel's own where map_extra says nothing. */
const DEFAULT_HASHES = 5;

export class BpfBloomFilter<V = unknown> extends BpfMap {
  /** Hash functions: bits of a value. */
  get hashes(): number {
    return Number(this.spec.mapExtra & 0xfn) || DEFAULT_HASHES;
  }

  /**
   * Bits of the filter: the power of two from entries * hashes / ln 2, in integers as the kernel reckons; 2^32 where that is
   * more than 2^31 (bloom_map_alloc).
   */
  get bits(): number {
    const wanted = Math.floor((this.spec.maxEntries * this.hashes) / 5) * 7;
    if (wanted > 2 ** 31) return 2 ** 32;
    return Math.max(64, 2 ** Math.ceil(Math.log2(Math.max(1, wanted))));
  }

  /** Remembers a value; nothing is ever forgotten. */
  add(value: V): this {
    this.update(0, this.valueCodec.encode(value), BPF_ANY);
    return this;
  }

  /** false: it was never added. true: it was, or is taken for one that was. */
  mightHave(value: V): boolean {
    return this.lookup(0, this.valueCodec.encode(value));
  }

  /** How many of the values that were never added are taken for known, 0 to 1, once so many different ones were added. */
  falsePositiveRate(added: number): number {
    return (1 - Math.exp((-this.hashes * added) / this.bits)) ** this.hashes;
  }
}

export const bloomFilter: MapType = {
  type: BPF_MAP_TYPE_BLOOM_FILTER,
  name: "BLOOM_FILTER",
  since: "5.16",
  Map: BpfBloomFilter,
  least: { key_size: 0 },
};
