// BpfMap: a map in the kernel, as descriptor, geometry and codecs. What its keys and values may do is the business
// of the classes that extend it, one file a family.

import { type BpfError, type Btf, compileDecoder, compileEncoder, type MapSpec, Memory } from "elf-loader";
import { ENOENT } from "elf-loader/uapi";
import { kernelError } from "../host/kernel-error.ts";
import { mapDeleteElem, mapGetNextKey, mapLookupElem, mapUpdateElem } from "../sys/bpf.ts";
import type { Fd } from "../sys/fd.ts";

/** Bytes to value and back; what a key or value of a map is in JavaScript. */
export interface Codec {
  readonly size: number;
  decode(memory: Memory, offset: number): unknown;
  encode(value: unknown): Uint8Array;
}

/** By the object's BTF, or as bytes where the map has none, or is a whole data section. */
export function codecOf(btf: Btf | undefined, typeId: number, size: number): Codec {
  if (!btf || typeId === 0 || btf.type(typeId).kind === "datasec") return bytesCodec(size);
  return { size, decode: compileDecoder(btf, typeId), encode: compileEncoder(btf, typeId) };
}

function bytesCodec(size: number): Codec {
  return {
    size,
    decode: (memory, offset) => memory.u8.slice(offset, offset + size),
    encode(value) {
      if (value instanceof Uint8Array && value.byteLength === size) return value;
      throw new TypeError(`Cannot encode ${String(value)}: expected a Uint8Array of ${size} bytes`);
    },
  };
}

/** Zeroed memory for one key or value, its views aligned for the decoders. */
export function scratch(bytes: number): Memory {
  return new Memory(new ArrayBuffer(Math.max(8, (bytes + 7) & ~7)));
}

/** A map of the kernel. Closing it gives back its descriptor; the map lives on while a program uses it. */
export class BpfMap implements Disposable {
  readonly name: string;
  readonly spec: MapSpec;
  readonly fd: Fd;
  readonly #btf: Btf | undefined;
  #keyCodec: Codec | undefined;
  #valueCodec: Codec | undefined;

  constructor(spec: MapSpec, fd: Fd, btf?: Btf) {
    this.name = spec.name;
    this.spec = spec;
    this.fd = fd;
    this.#btf = btf;
  }

  /** Compiled with the first use: most maps of an object are never looked into. */
  protected get keyCodec(): Codec {
    this.#keyCodec ??= codecOf(this.#btf, this.spec.keyTypeId, this.spec.keySize);
    return this.#keyCodec;
  }

  protected get valueCodec(): Codec {
    this.#valueCodec ??= codecOf(this.#btf, this.spec.valueTypeId, this.spec.valueSize);
    return this.#valueCodec;
  }

  /** Copies the value of a key given as bytes into `value`; false where there is none. */
  protected lookup(key: Uint8Array, value: Uint8Array): boolean {
    const result = mapLookupElem(this.fd.number, key, value);
    if (result === -ENOENT) return false;
    this.check(result, "read", "bpf(BPF_MAP_LOOKUP_ELEM)");
    return true;
  }

  protected update(key: Uint8Array, value: Uint8Array, flags: number): void {
    this.check(mapUpdateElem(this.fd.number, key, value, flags), "write", "bpf(BPF_MAP_UPDATE_ELEM)");
  }

  protected remove(key: Uint8Array): boolean {
    const result = mapDeleteElem(this.fd.number, key);
    if (result === -ENOENT) return false;
    this.check(result, "delete from", "bpf(BPF_MAP_DELETE_ELEM)");
    return true;
  }

  /** Moves `key` to the next key (from none: the first); false at the end. */
  protected nextKey(key: Uint8Array | 0, next: Uint8Array): boolean {
    const result = mapGetNextKey(this.fd.number, key, next);
    if (result === -ENOENT) return false;
    this.check(result, "iterate", "bpf(BPF_MAP_GET_NEXT_KEY)");
    return true;
  }

  protected check(result: number, doing: string, call: string): void {
    if (result < 0) throw this.error(result, doing, call);
  }

  protected error(result: number, doing: string, call: string): BpfError {
    return kernelError(result, { doing: `${doing} map ${this.name}`, call, subject: `map ${this.name}` });
  }

  close(): void {
    this.fd.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
