// BPF_MAP_TYPE_ARRAY (kernel/bpf/arraymap.c): values by index, all there from the start. Global data (.data,
// .rodata, .bss) are arrays of one value, the section: its variables by name where BTF tells them (section-codec.ts).

import { BpfRuntimeError, Memory } from "elf-loader";
import { BPF_ANY, BPF_MAP_TYPE_ARRAY, PROT_READ, PROT_WRITE } from "elf-loader/uapi";
import { PAGE_SIZE } from "../sys/libc.ts";
import { Mapping } from "../sys/mapping.ts";
import { bytesCodec, type Codec, indexCodec, indexKey } from "./codec.ts";
import { BpfTable } from "./table.ts";
import type { MapType } from "./type.ts";

export class BpfArray<V = unknown, W = V> extends BpfTable<number, V, W> {
  protected override makeKeyCodec(): Codec {
    return indexCodec as Codec;
  }

  get length(): number {
    return this.spec.maxEntries;
  }

  override get size(): number {
    return this.length;
  }

  /** How many bytes the kernel copies as one value: those of all CPUs where each has its own. */
  get #copied(): number {
    return this.wrapValue(bytesCodec(this.spec.valueSize) as Codec).size;
  }

  /** A value as bytes whatever BTF says: the content of a data section. Undefined beyond the end. */
  getBytes(index: number): Uint8Array | undefined {
    const bytes = new Uint8Array(this.#copied);
    return this.lookup(indexKey(index), bytes) ? bytes : undefined;
  }

  /** Writes a value as bytes, exactly its size. */
  setBytes(index: number, bytes: Uint8Array): void {
    if (bytes.byteLength !== this.#copied) {
      const sizes = `${bytes.byteLength} bytes given, its values have ${this.#copied}`;
      throw new BpfRuntimeError(`Cannot write map ${this.name}: ${sizes}`, { subject: `map ${this.name}` });
    }
    this.update(indexKey(index), bytes, BPF_ANY);
  }
}

/** A plain array, which may be looked at as memory. */
export class BpfPlainArray<V = unknown> extends BpfArray<V> {
  /**
   * The values as memory shared with the programs, of a map with BPF_F_MMAPABLE (5.5): reading and writing without a
   * call. With `writable` false it may be of a frozen map. Close it before the map.
   */
  mmap(writable = true): ArrayMemory<V> {
    const stride = (this.spec.valueSize + 7) & ~7;
    const length = Math.ceil((stride * this.length) / PAGE_SIZE) * PAGE_SIZE;
    const mapping = Mapping.create(this.fd.number, length, writable ? PROT_READ | PROT_WRITE : PROT_READ);
    if (typeof mapping === "number") throw this.error(mapping, "map into memory", "mmap()");
    return new ArrayMemory<V>(mapping, this.length, stride, this.valueCodec as Codec<V>);
  }
}

/** An array's values in memory. */
export class ArrayMemory<V = unknown> implements Disposable {
  readonly length: number;
  /** Bytes from one value to the next. */
  readonly stride: number;
  readonly #mapping: Mapping;
  readonly #codec: Codec<V>;

  constructor(mapping: Mapping, length: number, stride: number, codec: Codec<V>) {
    this.length = length;
    this.stride = stride;
    this.#mapping = mapping;
    this.#codec = codec;
  }

  /**
   * Typed views over all values: not to be touched after close(), nor written where the mapping is not writable, which
   * ends the process. Throws BpfRuntimeError once it is closed, as all below.
   */
  get memory(): Memory {
    return this.#mapping.memory;
  }

  /** One value's bytes, not a copy: what holds for `memory` holds for them. */
  bytes(index: number): Uint8Array {
    this.#check(index);
    return this.memory.u8.subarray(index * this.stride, index * this.stride + this.#codec.size);
  }

  /** One value, decoded. */
  get(index: number): V {
    return this.#codec.decode(Memory.from(this.bytes(index)), 0);
  }

  /** Throws BpfRuntimeError where the mapping is for reading only. */
  set(index: number, value: V): void {
    if (!this.#mapping.writable)
      throw new BpfRuntimeError("Cannot write the array's memory: it was mapped for reading only", {
        subject: "memory",
      });
    this.bytes(index).set(this.#codec.encode(value));
  }

  #check(index: number): void {
    if (Number.isInteger(index) && index >= 0 && index < this.length) return;
    throw new RangeError(`Cannot use index ${index}: the array has ${this.length} values`);
  }

  close(): void {
    this.#mapping.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

export const array: MapType = { type: BPF_MAP_TYPE_ARRAY, name: "ARRAY", since: "3.19", Map: BpfPlainArray };
