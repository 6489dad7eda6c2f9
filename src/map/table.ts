// What maps with keys and values share: reading, writing, iterating, one at a time and in batches.

import { BPF_ANY, ENOENT, ENOTSUPP } from "elf-loader/uapi";
import { mapLookupAndDeleteElem } from "../sys/bpf.ts";
import { batches, deleteBatch, type Geometry, lacksBatch, updateBatch } from "./batch.ts";
import { scratch } from "./codec.ts";
import { checkedFlags } from "./flags.ts";
import { BpfMap } from "./map.ts";

/** One element as bytes; overwritten by the next step of the walk. */
export interface Element {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** Keys to values, as JavaScript's own Map where it can be: V is what is read, W what may be written. */
export class BpfTable<K = unknown, V = unknown, W = V> extends BpfMap {
  /** Whether the kernel walks it bucket by bucket or by index: else from key to key. */
  protected readonly walksInBatches: boolean = true;

  protected get geometry(): Geometry {
    return { fd: this.fd.number, keySize: this.spec.keySize, valueSize: this.valueCodec.size };
  }

  /** The value, or undefined where the key is not there. `flags`: BPF_F_LOCK copies it under its spin lock (5.1). */
  get(key: K, flags = 0): V | undefined {
    const value = scratch(this.valueCodec.size);
    return this.lookup(this.keyCodec.encode(key), value.u8, flags)
      ? (this.valueCodec.decode(value, 0) as V)
      : undefined;
  }

  has(key: K): boolean {
    return this.lookup(this.keyCodec.encode(key), scratch(this.valueCodec.size).u8);
  }

  /**
   * `flags`: BPF_ANY, BPF_NOEXIST or BPF_EXIST, and with either BPF_F_LOCK (5.1). Throws BpfRuntimeError where the map is
   * full (E2BIG) or frozen (EPERM) or the flag forbids (EEXIST, ENOENT); TypeError or ObjectError where key or value
   * do not fit.
   */
  set(key: K, value: W, flags: number = BPF_ANY): this {
    this.update(this.keyCodec.encode(key), this.valueCodec.encode(value), flags);
    return this;
  }

  /** As set() of each, in order and with one call where the kernel can; what was written before one is refused stays. */
  setMany(entries: Iterable<readonly [key: K, value: W]>, flags: number = BPF_ANY): this {
    const elements = Array.from(entries, ([key, value]) => ({
      key: this.keyCodec.encode(key),
      value: this.valueCodec.encode(value),
    }));
    const keys = sideBySide(elements.map(({ key }) => key));
    const values = sideBySide(elements.map(({ value }) => value));
    if (elements.length === 0) return this;
    const { result, count } = updateBatch(this.geometry, { keys, values, count: elements.length }, checkedFlags(flags));
    if (result >= 0) return this;
    // The first that was refused, once more alone: that is the error to tell; or the kernel cannot do it in batches.
    // What is refused as a whole leaves the count as it was given.
    const rest = elements.slice(lacksBatch(result) || count === elements.length ? 0 : count);
    for (const { key, value } of rest) this.update(key, value, flags);
    return this;
  }

  /**
   * Every key with its value, as it was when its batch was read. Programs may change the map meanwhile: the walk ends,
   * and has every key that stayed; where the kernel has no batches for the type, every key until one that stood in line
   * was deleted, and at the latest after eight times as many steps as the map has room.
   */
  *entries(): Generator<[key: K, value: V]> {
    const key = scratch(this.spec.keySize);
    const value = scratch(this.valueCodec.size);
    for (const element of this.elements()) {
      key.u8.set(element.key);
      value.u8.set(element.value);
      yield [this.keyCodec.decode(key, 0) as K, this.valueCodec.decode(value, 0) as V];
    }
  }

  *keys(): Generator<K> {
    for (const [key] of this.entries()) yield key;
  }

  *values(): Generator<V> {
    for (const [, value] of this.entries()) yield value;
  }

  [Symbol.iterator](): Generator<[key: K, value: V]> {
    return this.entries();
  }

  /** How many entries there are: by walking, as the kernel keeps no count. */
  get size(): number {
    let size = 0;
    for (const _ of this.elements()) size++;
    return size;
  }

  protected *elements(): Generator<Element> {
    if (!this.walksInBatches || lacksBatch(yield* this.elementsInBatches(false))) yield* this.elementsOneByOne();
  }

  /** The result of the walk: 0, or the errno of a kernel that has no batches for the type. */
  protected *elementsInBatches(take: boolean): Generator<Element, number> {
    const { keySize, valueSize } = this.geometry;
    const walk = batches(this.geometry, take);
    for (;;) {
      const { value: batch, done } = walk.next();
      if (done) {
        if (!lacksBatch(batch)) this.check(batch, "iterate", "bpf(BPF_MAP_LOOKUP_BATCH)");
        return batch;
      }
      for (let i = 0; i < batch.count; i++) {
        const key = batch.keys.subarray(i * keySize, (i + 1) * keySize);
        yield { key, value: batch.values.subarray(i * valueSize, (i + 1) * valueSize) };
      }
    }
  }

  private *elementsOneByOne(): Generator<Element> {
    const value = new Uint8Array(Math.max(8, this.valueCodec.size));
    for (const key of this.walkKeys())
      if (this.lookup(key, value)) yield { key, value: value.subarray(0, this.valueCodec.size) };
  }
}

/** A table whose keys come and go. */
export class BpfKeyedMap<K = unknown, V = unknown, W = V> extends BpfTable<K, V, W> {
  /** Whether the key was there. */
  delete(key: K): boolean {
    return this.remove(this.keyCodec.encode(key));
  }

  /** As delete() of each, with few calls where the kernel can; how many were there. */
  deleteMany(keys: Iterable<K>): number {
    return this.removeMany(Array.from(keys, (key) => this.keyCodec.encode(key)));
  }

  protected removeMany(list: readonly Uint8Array[]): number {
    const keys = sideBySide(list);
    let deleted = 0;
    for (let at = 0; at < list.length; ) {
      const rest = keys.subarray(at * this.spec.keySize);
      const { result, count } = deleteBatch(this.geometry, rest, list.length - at);
      if (lacksBatch(result)) return list.slice(at).filter((key) => this.remove(key)).length + deleted;
      deleted += count;
      at += count + 1; // and the one that was not there
      if (result >= 0) return deleted;
      if (result !== -ENOENT) this.check(result, "delete from", "bpf(BPF_MAP_DELETE_BATCH)");
    }
    return deleted;
  }

  /** Deletes every key that is there now. */
  clear(): void {
    this.removeMany(Array.from(this.elements(), ({ key }) => key.slice()));
  }
}

/** A table that gives an entry out and deletes it at once. */
export class BpfTakeMap<K = unknown, V = unknown, W = V> extends BpfKeyedMap<K, V, W> {
  /**
   * The value, deleted; undefined where the key is not there. In one step since 5.14; before, what a program writes
   * between reading and deleting is lost.
   */
  take(key: K): V | undefined {
    const value = scratch(this.valueCodec.size);
    return this.takeInto(this.keyCodec.encode(key), value.u8) ? (this.valueCodec.decode(value, 0) as V) : undefined;
  }

  private takeInto(key: Uint8Array, value: Uint8Array): boolean {
    const result = mapLookupAndDeleteElem(this.fd.number, key, value);
    if (result === -ENOENT) return false;
    if (result === -ENOTSUPP) return this.lookup(key, value) && this.remove(key);
    this.check(result, "take from", "bpf(BPF_MAP_LOOKUP_AND_DELETE_ELEM)");
    return true;
  }

  /** Every entry, deleted as it is read: what is not asked for any more of a batch already read is gone all the same. */
  *takeAll(): Generator<[key: K, value: V]> {
    const key = scratch(this.spec.keySize);
    const value = scratch(this.valueCodec.size);
    for (const element of this.takenElements()) {
      key.u8.set(element.key);
      value.u8.set(element.value);
      yield [this.keyCodec.decode(key, 0) as K, this.valueCodec.decode(value, 0) as V];
    }
  }

  private *takenElements(): Generator<Element> {
    if (this.walksInBatches && !lacksBatch(yield* this.elementsInBatches(true))) return;
    for (const { key, value } of this.elements()) {
      const taken = new Uint8Array(Math.max(8, value.length));
      if (this.takeInto(key, taken)) yield { key, value: taken.subarray(0, value.length) };
    }
  }

  override clear(): void {
    for (const _ of this.takenElements());
  }
}

function sideBySide(parts: readonly Uint8Array[]): Uint8Array {
  const size = parts[0]?.byteLength ?? 0;
  const all = new Uint8Array(Math.max(8, size * parts.length));
  for (const [i, part] of parts.entries()) all.set(part, i * size);
  return all;
}
