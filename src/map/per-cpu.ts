// BPF_MAP_TYPE_PERCPU_HASH, LRU_PERCPU_HASH and PERCPU_ARRAY (kernel/bpf/hashtab.c, arraymap.c): for each key one value a
// possible CPU. The kernel copies them side by side, each rounded up to 8 bytes.

import { BPF_MAP_TYPE_LRU_PERCPU_HASH, BPF_MAP_TYPE_PERCPU_ARRAY, BPF_MAP_TYPE_PERCPU_HASH } from "elf-loader/uapi";
import { possibleCpuCount } from "../host/cpus.ts";
import { BpfArray } from "./array.ts";
import { type Codec, fromItem, parseJson, scratch, shown } from "./codec.ts";
import { BpfHashMap } from "./hash.ts";
import type { MapType } from "./type.ts";

/** One value a possible CPU, by CPU number. */
export class PerCpuValues<V = unknown> extends Array<V> {
  /** What zeros are as such a value: by it what was never written is told from the rest. */
  #nothing: V | undefined;

  static decoded<V>(values: Iterable<V>, nothing: V): PerCpuValues<V> {
    const all = new PerCpuValues<V>();
    for (const value of values) all.push(value);
    all.#nothing = nothing;
    return all;
  }

  /**
   * Numbers added up; structs and arrays member by member; text, bytes and what else is no number as on the first CPU where
   * it is not zero.
   */
  sum(): V {
    return this.reduce((all, one) => combine(all, one, this.#nothing, (a, b) => a + b));
  }

  /** The greatest, likewise. */
  max(): V {
    return this.reduce((all, one) => combine(all, one, this.#nothing, (a, b) => (b > a ? b : a)));
  }
}

type Join = (a: never, b: never) => unknown;
type Members = Record<string, unknown> | undefined;

function combine<V>(a: V, b: V, nothing: V | undefined, join: Join): V {
  // An enum's value has a name on one CPU and none on another.
  if (typeof a !== typeof b) return a === nothing ? b : a;
  if (typeof a === "number" || typeof a === "bigint") return join(a as never, b as never) as V;
  if (a instanceof Uint8Array) return a.every((byte) => byte === 0) ? b : a;
  if (Array.isArray(a))
    return a.map((item, i) => combine(item, (b as unknown[])[i], (nothing as unknown[] | undefined)?.[i], join)) as V;
  if (typeof a !== "object" || a === null) return a === nothing ? b : a;
  const [other, none] = [b as Members, nothing as Members];
  const members = Object.entries(a).map(([name, value]) => [name, combine(value, other?.[name], none?.[name], join)]);
  return Object.fromEntries(members) as V;
}

/** The values of all CPUs at once, of the codec of one. */
export function perCpuCodec(one: Codec): Codec<PerCpuValues> {
  const stride = (one.size + 7) & ~7;
  const cpus = possibleCpuCount();
  let nothing: unknown;
  const checked = (values: unknown): readonly unknown[] => {
    if (Array.isArray(values) && values.length === cpus) return values;
    throw new TypeError(`Cannot encode ${shown(values)}: expected an array of ${cpus} values, one a possible CPU`);
  };
  return {
    size: stride * cpus,
    decode(memory, offset) {
      const values = Array.from({ length: cpus }, (_, cpu) => one.decode(memory, offset + cpu * stride));
      nothing ??= one.decode(scratch(one.size), 0);
      return PerCpuValues.decoded(values, nothing);
    },
    encode(values) {
      const bytes = scratch(stride * cpus).u8;
      for (const [cpu, value] of checked(values).entries()) bytes.set(one.encode(value), cpu * stride);
      return bytes;
    },
    parse: (text) => PerCpuValues.from(checked(parseJson(text)), (item) => fromItem(one, item)) as PerCpuValues,
  };
}

/** Values are arrays, one value a possible CPU. */
export class BpfPerCpuHashMap<K = unknown, V = unknown> extends BpfHashMap<K, PerCpuValues<V>, readonly V[]> {
  protected override wrapValue(codec: Codec): Codec {
    return perCpuCodec(codec) as Codec;
  }
}

/** Values are arrays, one value a possible CPU. */
export class BpfPerCpuArray<V = unknown> extends BpfArray<PerCpuValues<V>, readonly V[]> {
  protected override wrapValue(codec: Codec): Codec {
    return perCpuCodec(codec) as Codec;
  }
}

export const perCpuHash: MapType = {
  type: BPF_MAP_TYPE_PERCPU_HASH,
  name: "PERCPU_HASH",
  since: "4.6",
  Map: BpfPerCpuHashMap,
};

export const lruPerCpuHash: MapType = {
  type: BPF_MAP_TYPE_LRU_PERCPU_HASH,
  name: "LRU_PERCPU_HASH",
  since: "4.10",
  Map: BpfPerCpuHashMap,
};

export const perCpuArray: MapType = {
  type: BPF_MAP_TYPE_PERCPU_ARRAY,
  name: "PERCPU_ARRAY",
  since: "4.6",
  Map: BpfPerCpuArray,
};
