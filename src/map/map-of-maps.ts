// BPF_MAP_TYPE_ARRAY_OF_MAPS and HASH_OF_MAPS (kernel/bpf/map_in_map.c): maps as values. All inner maps are like the
// template that the outer map was made from; user space puts them in by descriptor and gets their numbers back.

import { BpfRuntimeError } from "elf-loader";
import { BPF_MAP_TYPE_ARRAY_OF_MAPS, BPF_MAP_TYPE_HASH_OF_MAPS } from "elf-loader/uapi";
import type { Fd } from "../sys/fd.ts";
import { type Codec, indexCodec, indexKey } from "./codec.ts";
import { fdOf, type HasFd, openNamed } from "./descriptors.ts";
import type { BpfMap } from "./map.ts";
import { BpfKeyedMap } from "./table.ts";
import type { MapType } from "./type.ts";

/** Maps by key. What is set are maps, which must be like the template (EINVAL); what is read are their numbers. */
export class BpfMapOfMaps<K = unknown> extends BpfKeyedMap<K, number, HasFd> {
  protected override readonly walksInBatches: boolean = false;

  protected override makeValueCodec(): Codec {
    const encode = (map: HasFd) => indexKey(fdOf(map));
    return { ...indexCodec, encode } as Codec;
  }

  /** A map by its number, as it is read, or by its pin. */
  override valueFrom(text: string): Fd {
    return openNamed(text, "map");
  }

  /** A new map like the template, to be filled and put in; the caller closes it. Its name is 15 bytes at most. */
  create(name?: string): BpfMap {
    const { inner } = this.context;
    if (inner) return inner.create(name);
    const what = `it was opened without its definition`;
    throw new BpfRuntimeError(`Cannot create a map for map ${this.name}: ${what}`, { subject: `map ${this.name}` });
  }

  /** Opens the map of a key, by its number (CAP_SYS_ADMIN); undefined where there is none. The caller closes it. */
  inner(key: K): BpfMap | undefined {
    const { inner, openMap } = this.context;
    const id = this.get(key);
    if (id === undefined) return undefined;
    return inner ? inner.open(id) : openMap?.(id);
  }

  override close(): void {
    this.context.inner?.close();
    super.close();
  }
}

/** The same by index. */
export class BpfArrayOfMaps extends BpfMapOfMaps<number> {
  protected override makeKeyCodec(): Codec {
    return indexCodec as Codec;
  }
}

const needs = "inner map";

export const arrayOfMaps: MapType = {
  type: BPF_MAP_TYPE_ARRAY_OF_MAPS,
  name: "ARRAY_OF_MAPS",
  since: "4.12",
  Map: BpfArrayOfMaps,
  needs,
};

export const hashOfMaps: MapType = {
  type: BPF_MAP_TYPE_HASH_OF_MAPS,
  name: "HASH_OF_MAPS",
  since: "4.12",
  Map: BpfMapOfMaps,
  needs,
};
