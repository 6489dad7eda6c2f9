// BPF_MAP_TYPE_PERCPU_HASH, LRU_PERCPU_HASH and PERCPU_ARRAY (kernel/bpf/hashtab.c, arraymap.c): for each key one value a
// possible CPU. The kernel copies them side by side, each rounded up to 8 bytes.

import { BPF_MAP_TYPE_LRU_PERCPU_HASH, BPF_MAP_TYPE_PERCPU_ARRAY, BPF_MAP_TYPE_PERCPU_HASH } from "elf-loader/uapi";
import { possibleCpuCount } from "../host/cpus.ts";
import { BpfArray } from "./array.ts";
import { type Codec, fromItem, parseJson, scratch, shown, takingBytes } from "./codec.ts";
import { type CountedType, countedType, greatestOf, type Join, joined, sumOf, sumOrAll } from "./cpu-totals.ts";
import { BpfHashMap } from "./hash.ts";
import type { MapType } from "./type.ts";

/** What is known of one CPU's value. */
interface Kind {
  /** What zeros are as such a value: by it what was never written is told from the rest. */
  readonly nothing: unknown;
  /** By BTF; found with the first use, as most values are not added up. */
  readonly type: () => CountedType | undefined;
}

/** One value a possible CPU, by CPU number. */
export class PerCpuValues<V = unknown> extends Array<V> {
  #kind: Kind | undefined;

  static decoded<V>(values: Iterable<V>, kind: Kind): PerCpuValues<V> {
    const all = new PerCpuValues<V>();
    for (const value of values) all.push(value);
    all.#kind = kind;
    return all;
  }

  /**
   * Numbers added up, to more than their type holds where it must be; structs and arrays member by member. What is no count
   * is as on the first CPU where it is not zero: text, enums, bytes, and where BTF says it pointers, char and arrays of bytes.
   */
  sum(): V {
    return this.#joined(sumOf) as V;
  }

  /** The greatest, likewise. */
  max(): V {
    return this.#joined(greatestOf) as V;
  }

  /** As sum(), but a number whose sum BTF says that its type does not hold is an array, of all CPUs' numbers. */
  total(): unknown {
    return this.#joined(sumOrAll);
  }

  #joined(join: Join): unknown {
    return joined([...this], this.#kind?.nothing, join, this.#kind?.type());
  }
}

function kindOf(one: Codec): Kind {
  const { type } = one;
  let counted: CountedType | undefined;
  return {
    nothing: one.decode(scratch(one.size), 0),
    type: () => (counted ??= type && countedType(type.btf, type.id)),
  };
}

/** The values of all CPUs at once, of the codec of one. */
export function perCpuCodec(one: Codec): Codec<PerCpuValues> {
  const stride = (one.size + 7) & ~7;
  const cpus = possibleCpuCount();
  let kind: Kind | undefined;
  const checked = (values: unknown): readonly unknown[] => {
    if (Array.isArray(values) && values.length === cpus) return values;
    throw new TypeError(`Cannot encode ${shown(values)}: expected an array of ${cpus} values, one a possible CPU`);
  };
  return takingBytes<PerCpuValues>({
    size: stride * cpus,
    decode(memory, offset) {
      const values = Array.from({ length: cpus }, (_, cpu) => one.decode(memory, offset + cpu * stride));
      kind ??= kindOf(one);
      return PerCpuValues.decoded(values, kind);
    },
    encode(values) {
      const bytes = scratch(stride * cpus).u8;
      for (const [cpu, value] of checked(values).entries()) bytes.set(one.encode(value), cpu * stride);
      return bytes;
    },
    parse: (text) => PerCpuValues.from(checked(parseJson(text)), (item) => fromItem(one, item)) as PerCpuValues,
  });
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
