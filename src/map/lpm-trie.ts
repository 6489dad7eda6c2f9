// BPF_MAP_TYPE_LPM_TRIE (kernel/bpf/lpm_trie.c): prefixes to values; a lookup finds the longest one that covers a key.

import { BPF_F_NO_PREALLOC, BPF_MAP_TYPE_LPM_TRIE } from "elf-loader/uapi";
import { bytesCodec, type Codec } from "./codec.ts";
import { formatPrefix, parsePrefix } from "./ip-prefix.ts";
import { BpfKeyedMap, type Element } from "./table.ts";
import type { MapType } from "./type.ts";
import { walkKeys } from "./walk.ts";

/** Bytes of the prefix length in front of a key. */
const LENGTH = 4;
const ADDRESS_SIZES: readonly number[] = [4, 16];

/**
 * Keys of 4 and 16 bytes behind the length are IP prefixes as text: `10.0.0.0/8`, `2001:db8::/32`; IPv4 in a trie of 16
 * bytes is IPv4-mapped. Other keys are as their BTF says, or bytes; bytes are taken everywhere.
 */
export class BpfLpmTrie<K = string, V = unknown> extends BpfKeyedMap<K, V> {
  protected override readonly walksInBatches = false;

  /**
   * The value of the longest prefix that covers the address, or the whole of the prefix, that is given; undefined where
   * none does.
   */
  override get(key: K, flags = 0): V | undefined {
    return super.get(key, flags);
  }

  /**
   * A lookup finds the longest prefix there is, another's value where the key itself is gone: each value is read as soon
   * as the walk comes by its key, not when it is handed out.
   */
  protected override *elements(): Generator<Element> {
    const values = new Map<Uint8Array, Uint8Array>(); // by the walk's buffers of keys
    const nextKey = (key: Uint8Array | 0, next: Uint8Array): boolean => {
      const value = new Uint8Array(Math.max(8, this.valueCodec.size));
      values.delete(next);
      if (!this.nextKey(key, next)) return false;
      if (this.lookup(next, value)) values.set(next, value.subarray(0, this.valueCodec.size));
      return true;
    };
    for (const key of walkKeys(this.spec, nextKey)) {
      const value = values.get(key);
      if (value && this.#stands(key)) yield { key, value };
    }
  }

  /**
   * Whether there is exactly this prefix: behind one that is not there the kernel goes to the first, which follows none
   * (trie_get_next_key); in an empty trie nothing follows either. Before 6.13 and the stable kernels of that time it takes some for there that only look alike:
   * they are handed out as they were.
   */
  #stands(key: Uint8Array): boolean {
    const [next, first] = [new Uint8Array(key.length), new Uint8Array(key.length)];
    return this.nextKey(0, first) && (!this.nextKey(key, next) || Buffer.compare(next, first) !== 0);
  }

  protected override makeKeyCodec(): Codec {
    const plain = super.makeKeyCodec();
    const size = this.spec.keySize - LENGTH;
    const codec = ADDRESS_SIZES.includes(size) ? prefixCodec(size, plain) : plain;
    const bytes = bytesCodec(this.spec.keySize) as Codec;
    return { ...codec, encode: (key) => (key instanceof Uint8Array ? bytes : codec).encode(key) };
  }
}

/** Text to prefix length and address; what is no text as the map's BTF has it. */
function prefixCodec(size: number, plain: Codec): Codec {
  return {
    size: LENGTH + size,
    decode(memory, offset) {
      const at = offset + LENGTH;
      return formatPrefix({ bits: memory.view.getUint32(offset, true), bytes: memory.u8.slice(at, at + size) });
    },
    encode(key) {
      if (typeof key !== "string") return plain.encode(key);
      const { bits, bytes } = parsePrefix(key, size);
      const encoded = new Uint8Array(LENGTH + size);
      new DataView(encoded.buffer).setUint32(0, bits, true);
      encoded.set(bytes, LENGTH);
      return encoded;
    },
    parse: (text) => text,
  };
}

export const lpmTrie: MapType = {
  type: BPF_MAP_TYPE_LPM_TRIE,
  name: "LPM_TRIE",
  since: "4.11",
  Map: BpfLpmTrie,
  only: { flag: BPF_F_NO_PREALLOC, says: "with BPF_F_NO_PREALLOC among map_flags" },
  least: { key_size: 8, map_flags: BPF_F_NO_PREALLOC },
};
