// BPF_MAP_TYPE_ARRAY (kernel/bpf/arraymap.c): values by index, all there from the start. Global data (.data,
// .rodata, .bss) are arrays of one value, the section.

import { BPF_ANY, BPF_MAP_TYPE_ARRAY } from "elf-loader/uapi";
import { BpfMap, scratch } from "./map.ts";
import type { MapType } from "./type.ts";

/** The bytes of an index as key. */
export function indexKey(index: number): Uint8Array {
  return new Uint8Array(new Uint32Array([index]).buffer);
}

export class BpfArray extends BpfMap {
  get length(): number {
    return this.spec.maxEntries;
  }

  /** The value, or undefined beyond the end. */
  get(index: number): unknown {
    const value = scratch(this.spec.valueSize);
    return this.lookup(indexKey(index), value.u8) ? this.valueCodec.decode(value, 0) : undefined;
  }

  set(index: number, value: unknown): this {
    this.update(indexKey(index), this.valueCodec.encode(value), BPF_ANY);
    return this;
  }

  /** Writes a value as bytes: the content of a data section. */
  setBytes(index: number, bytes: Uint8Array): void {
    this.update(indexKey(index), bytes, BPF_ANY);
  }
}

export const array: MapType = { type: BPF_MAP_TYPE_ARRAY, name: "ARRAY", since: "3.19", Map: BpfArray };
