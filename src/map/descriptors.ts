// Maps into which user space puts descriptors (fd_array_map_update_elem in kernel/bpf/arraymap.c and its like): the
// kernel keeps what is behind them, and gives back its number, or nothing at all.

import { BPF_ANY } from "elf-loader/uapi";
import type { Fd } from "../sys/fd.ts";
import { type Codec, indexCodec, indexKey, scratch } from "./codec.ts";
import { BpfMap } from "./map.ts";

/** A descriptor, or what owns one: a program, a map. */
export type HasFd = number | Fd | { readonly fd: Fd };

const DESCRIPTORS = 2 ** 31;

/** Throws TypeError where it is nothing of the kind; a closed one's number is -1, which the kernel refuses (EBADF). */
export function fdOf(from: HasFd): number {
  const { fd, number } = Object(from) as { fd?: Fd; number?: number };
  const found = typeof from === "number" ? from : (fd?.number ?? number);
  if (Number.isInteger(found) && Math.abs(found as number) < DESCRIPTORS) return found as number;
  const given = typeof from === "object" ? "an object without one" : String(from);
  throw new TypeError(`Cannot use ${given} as a descriptor: expected a number, or what has one, such as a map`);
}

/** The bytes of a descriptor as value of 4 or 8 bytes. */
export function fdValue(from: HasFd, size: number): Uint8Array {
  const value = scratch(size);
  value.u32[0] = fdOf(from);
  return value.u8.subarray(0, size);
}

/** Slots by index, each empty or with something of the kernel in it. */
export class BpfDescriptorArray extends BpfMap {
  protected override makeKeyCodec(): Codec {
    return indexCodec as Codec;
  }

  get length(): number {
    return this.spec.maxEntries;
  }

  /**
   * Throws TypeError where it has no descriptor, E2BIG beyond the end, EBADF or EINVAL where the descriptor is of another
   * kind than the map takes.
   */
  set(index: number, what: HasFd, flags: number = BPF_ANY): this {
    this.update(indexKey(index), fdValue(what, this.spec.valueSize), flags);
    return this;
  }

  /** Empties a slot; whether something was in it. */
  delete(index: number): boolean {
    return this.remove(indexKey(index));
  }
}

/** The same where the kernel tells the number of what is in a slot. */
export class BpfNumberedArray extends BpfDescriptorArray {
  /** The kernel's number of what is in a slot, undefined where it is empty. */
  get(index: number): number | undefined {
    const value = scratch(this.spec.valueSize);
    return this.lookup(indexKey(index), value.u8) ? (indexCodec.decode(value, 0) as number) : undefined;
  }

  /** Indexes and numbers of the slots that are not empty. */
  *entries(): Generator<[index: number, id: number]> {
    for (let index = 0; index < this.length; index++) {
      const id = this.get(index);
      if (id !== undefined) yield [index, id];
    }
  }
}
