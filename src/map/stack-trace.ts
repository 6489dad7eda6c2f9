// BPF_MAP_TYPE_STACK_TRACE (kernel/bpf/stackmap.c): the addresses of a stack by the number that bpf_get_stackid() gave
// the program, the innermost first.

import { BPF_MAP_TYPE_STACK_TRACE } from "elf-loader/uapi";
import { type CodeAddress, symbolize } from "../host/symbolize.ts";
import { type Codec, indexCodec, indexKey, scratch } from "./codec.ts";
import { BpfMap } from "./map.ts";
import type { MapType } from "./type.ts";

const ADDRESS_SIZE = 8;

export class BpfStackTrace extends BpfMap {
  protected override makeKeyCodec(): Codec {
    return indexCodec as Codec;
  }

  /** The addresses of a stack, the innermost first; undefined where it is not there. */
  get(id: number): bigint[] | undefined {
    const value = scratch(this.spec.valueSize);
    if (!this.lookup(indexKey(id), value.u8)) return undefined;
    const addresses: bigint[] = [];
    for (let at = 0; at < this.spec.valueSize; at += ADDRESS_SIZE) {
      const address = value.view.getBigUint64(at, true);
      if (address === 0n) break;
      addresses.push(address);
    }
    return addresses;
  }

  /** The same of a kernel stack with the functions' names; symbolize() does it for many stacks at once. */
  symbols(id: number): CodeAddress[] | undefined {
    const addresses = this.get(id);
    return addresses && symbolize(addresses);
  }

  delete(id: number): boolean {
    return this.remove(indexKey(id));
  }

  /** Numbers and addresses of the stacks that are there. */
  *entries(): Generator<[id: number, addresses: bigint[]]> {
    for (const id of this.ids()) {
      const addresses = this.get(id);
      if (addresses) yield [id, addresses];
    }
  }

  /** The numbers of the stacks that are there, each once. */
  *ids(): Generator<number> {
    for (const key of this.walkKeys()) yield new DataView(key.buffer).getUint32(0, true);
  }
}

export const stackTrace: MapType = {
  type: BPF_MAP_TYPE_STACK_TRACE,
  name: "STACK_TRACE",
  since: "4.6",
  Map: BpfStackTrace,
  least: { value_size: ADDRESS_SIZE },
};
