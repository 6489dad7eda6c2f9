// BPF_MAP_TYPE_ARRAY (kernel/bpf/arraymap.c): values by index, all there from the start. Global data (.data,
// .rodata, .bss) are arrays of one value, the section.

import { BpfRuntimeError } from "elf-loader";
import { BPF_ANY, BPF_MAP_TYPE_ARRAY } from "elf-loader/uapi";
import { BpfMap, scratch } from "./map.ts";
import type { MapType } from "./type.ts";

/** An array has fewer entries (array_map_alloc_check). */
const NO_INDEX = 0xffff_ffff;

/** The bytes of an index as key; what is no index at all becomes the one that no array has. */
export function indexKey(index: number): Uint8Array {
  const valid = Number.isInteger(index) && index >= 0 && index < NO_INDEX;
  return new Uint8Array(new Uint32Array([valid ? index : NO_INDEX]).buffer);
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

  /** Writes a value as bytes, exactly its size: the content of a data section. */
  setBytes(index: number, bytes: Uint8Array): void {
    if (bytes.byteLength !== this.spec.valueSize) {
      const sizes = `${bytes.byteLength} bytes given, its values have ${this.spec.valueSize}`;
      throw new BpfRuntimeError(`Cannot write map ${this.name}: ${sizes}`, { subject: `map ${this.name}` });
    }
    this.update(indexKey(index), bytes, BPF_ANY);
  }
}

export const array: MapType = { type: BPF_MAP_TYPE_ARRAY, name: "ARRAY", since: "3.19", Map: BpfArray };
