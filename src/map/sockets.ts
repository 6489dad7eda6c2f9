// Maps of sockets: SOCKMAP, SOCKHASH (net/core/sock_map.c), XSKMAP (net/xdp/xskmap.c) and REUSEPORT_SOCKARRAY
// (kernel/bpf/reuseport_array.c). User space puts sockets in by their descriptors; where values have 8 bytes it may read
// their cookies, as SO_COOKIE tells them.

import {
  BPF_ANY,
  BPF_MAP_TYPE_REUSEPORT_SOCKARRAY,
  BPF_MAP_TYPE_SOCKHASH,
  BPF_MAP_TYPE_SOCKMAP,
  BPF_MAP_TYPE_XSKMAP,
  E2BIG,
  EINVAL,
  ENOENT,
} from "elf-loader/uapi";
import { mapDeleteElem } from "../sys/bpf.ts";
import { indexKey, scratch } from "./codec.ts";
import { BpfDescriptorArray, fdValue, type HasFd, onlyByItsOwner } from "./descriptors.ts";
import { BpfMap } from "./map.ts";
import type { MapType } from "./type.ts";

/** Bytes of a socket's cookie: only values as large have room for one. */
const COOKIE = 8;

/** Sockets by index. A socket that is closed leaves its slot. */
export class BpfSockMap extends BpfDescriptorArray {
  /** An empty slot is EINVAL to the kernel (__sock_map_delete), as what is beyond the end may be. */
  override delete(index: number): boolean {
    const result = mapDeleteElem(this.fd.number, indexKey(index));
    if (result === -EINVAL || result === -ENOENT || result === -E2BIG) return false;
    this.check(result, "delete from", "bpf(BPF_MAP_DELETE_ELEM)");
    return true;
  }

  /** Indexes and cookies of the slots that are not empty. Throws ENOSPC where values have 4 bytes: none tells which are. */
  *entries(): Generator<[index: number, cookie: bigint]> {
    for (let index = 0; index < this.length; index++) {
      const cookie = this.get(index);
      if (cookie !== undefined) yield [index, cookie];
    }
  }

  /** The cookie of the socket in a slot, undefined where it is empty. Throws ENOSPC where values have 4 bytes. */
  get(index: number): bigint | undefined {
    const value = scratch(COOKIE);
    return this.lookup(indexKey(index), value.u8) ? value.view.getBigUint64(0, true) : undefined;
  }
}

/** Sockets by key. A socket that is closed leaves the map. */
export class BpfSockHash<K = unknown> extends BpfMap {
  override valueFrom(_text: string): unknown {
    throw onlyByItsOwner(this, "socket");
  }

  set(key: K, socket: HasFd, flags: number = BPF_ANY): this {
    this.update(this.keyCodec.encode(key), fdValue(socket, this.spec.valueSize), flags);
    return this;
  }

  delete(key: K): boolean {
    return this.remove(this.keyCodec.encode(key));
  }

  /** The cookie of a socket, undefined where it is not there. Throws ENOSPC where values have 4 bytes. */
  get(key: K): bigint | undefined {
    const value = scratch(COOKIE);
    return this.lookup(this.keyCodec.encode(key), value.u8) ? value.view.getBigUint64(0, true) : undefined;
  }

  /** Keys and cookies; null for a cookie that the kernel does not tell, where values have 4 bytes (sock_hash_lookup_sys). */
  *entries(): Generator<[key: K, cookie: bigint | null]> {
    const told = this.spec.valueSize === COOKIE;
    for (const key of this.keys()) {
      const cookie = told ? this.get(key) : null;
      if (cookie !== undefined) yield [key, cookie];
    }
  }

  /** The keys that are there, each once; it ends however they change meanwhile. */
  *keys(): Generator<K> {
    const key = scratch(this.spec.keySize);
    for (const bytes of this.walkKeys()) {
      key.u8.set(bytes);
      yield this.keyCodec.decode(key, 0) as K;
    }
  }
}

/** Listening sockets by index, for programs that choose one of a SO_REUSEPORT group. */
export class BpfReuseportArray extends BpfSockMap {}

/** AF_XDP sockets by the number of their queue. */
export class BpfXskMap extends BpfDescriptorArray {
  /** Empties a slot; whether there is one of that number: the kernel does not tell whether anything was in it. */
  override delete(index: number): boolean {
    return Number.isInteger(index) && index >= 0 && index < this.length && super.delete(index);
  }
}

export const sockMap: MapType = {
  type: BPF_MAP_TYPE_SOCKMAP,
  name: "SOCKMAP",
  since: "4.14",
  Map: BpfSockMap,
  capability: "CAP_NET_ADMIN",
};

export const sockHash: MapType = {
  type: BPF_MAP_TYPE_SOCKHASH,
  name: "SOCKHASH",
  since: "4.18",
  Map: BpfSockHash,
  capability: "CAP_NET_ADMIN",
};

export const reuseportArray: MapType = {
  type: BPF_MAP_TYPE_REUSEPORT_SOCKARRAY,
  name: "REUSEPORT_SOCKARRAY",
  since: "4.19",
  Map: BpfReuseportArray,
};

export const xskMap: MapType = {
  type: BPF_MAP_TYPE_XSKMAP,
  name: "XSKMAP",
  since: "4.18",
  Map: BpfXskMap,
  capability: "CAP_NET_ADMIN",
};
