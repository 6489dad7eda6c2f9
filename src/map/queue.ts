// BPF_MAP_TYPE_QUEUE and STACK (kernel/bpf/queue_stack_maps.c): values without keys, first in first out or last in first
// out.

import { BPF_ANY, BPF_MAP_TYPE_QUEUE, BPF_MAP_TYPE_STACK, ENOENT } from "elf-loader/uapi";
import { mapLookupAndDeleteElem } from "../sys/bpf.ts";
import { scratch } from "./codec.ts";
import { BpfMap } from "./map.ts";
import type { MapType } from "./type.ts";

export class BpfQueue<V = unknown> extends BpfMap {
  /** Throws E2BIG where it is full; with BPF_EXIST the oldest value goes instead. */
  push(value: V, flags: number = BPF_ANY): this {
    this.update(0, this.valueCodec.encode(value), flags);
    return this;
  }

  /** Takes the next value out: the oldest of a queue, the newest of a stack; undefined where it is empty. */
  pop(): V | undefined {
    for (const value of this.popAll(1)) return value;
    return undefined;
  }

  /** The value that pop() would give, left where it is. */
  peek(): V | undefined {
    const value = scratch(this.valueCodec.size);
    return this.lookup(0, value.u8) ? (this.valueCodec.decode(value, 0) as V) : undefined;
  }

  /** Takes values out until it is empty, at most as many as it can hold: programs may be pushing all the time. */
  *popAll(limit = this.spec.maxEntries): Generator<V> {
    const value = scratch(this.valueCodec.size);
    for (let i = 0; i < limit; i++) {
      const result = mapLookupAndDeleteElem(this.fd.number, 0, value.u8);
      if (result === -ENOENT) return;
      this.check(result, "take from", "bpf(BPF_MAP_LOOKUP_AND_DELETE_ELEM)");
      yield this.valueCodec.decode(value, 0) as V;
    }
  }
}

export class BpfStack<V = unknown> extends BpfQueue<V> {}

const least = { key_size: 0 };

export const queue: MapType = { type: BPF_MAP_TYPE_QUEUE, name: "QUEUE", since: "4.20", Map: BpfQueue, least };

export const stack: MapType = { type: BPF_MAP_TYPE_STACK, name: "STACK", since: "4.20", Map: BpfStack, least };
