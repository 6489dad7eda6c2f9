// BpfMap: a map in the kernel, as descriptor, geometry and codecs. What its keys and values may do is the business
// of the classes that extend it, one file a family.

import { type BpfError, BpfRuntimeError, type Btf, type MapSpec } from "elf-loader";
import { bpf_map_info, E2BIG, EBADF, ENOENT, EPERM, O_ACCMODE, O_RDONLY, O_WRONLY } from "elf-loader/uapi";
import { fdInfo } from "../host/fd-info.ts";
import { kernelError } from "../host/kernel-error.ts";
import {
  mapDeleteElem,
  mapFreeze,
  mapGetNextKey,
  mapLookupElem,
  mapUpdateElem,
  objGetInfoByFd,
  objPin,
} from "../sys/bpf.ts";
import type { Fd } from "../sys/fd.ts";
import { readField } from "../sys/struct.ts";
import { type Cause, CLOSED, causeOf, NO_SUCH_DESCRIPTOR } from "./causes.ts";
import { type AnyCodec, type Codec, codecOf, fromText, indexKey } from "./codec.ts";
import { checkedFlags } from "./flags.ts";
import { pinError } from "./pin-error.ts";
import { sectionCodec } from "./section-codec.ts";
import { walkKeys } from "./walk.ts";

/** What a map needs besides itself: the types of its keys and values, and how maps inside it are made and opened. */
export interface MapContext {
  readonly btf?: Btf | undefined;
  /** Where its definition says what maps are inside. */
  readonly inner?: InnerMaps | undefined;
  /** Opens whatever map by its number. */
  readonly openMap?: (id: number) => BpfMap | undefined;
}

/** Maps of one definition. */
export interface InnerMaps {
  create(name?: string): BpfMap;
  open(id: number): BpfMap | undefined;
  /** None is made any more. */
  close(): void;
}

/** What the kernel says of a map. */
export interface MapInfo {
  readonly id: number;
  /** BPF_MAP_TYPE_*. */
  readonly type: number;
  /** 15 bytes at most. */
  readonly name: string;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  /** BPF_F_* of creation. */
  readonly flags: number;
  /** Number of its BTF in the kernel, 0 without. */
  readonly btfId: number;
  readonly keyTypeId: number;
  readonly valueTypeId: number;
  /** Since 5.16; 0 before. */
  readonly mapExtra: number;
}

/** Reads what the kernel knows of a map; a negative errno where it is none. */
export function readMapInfo(fd: number): MapInfo | number {
  const bytes = new Uint8Array(bpf_map_info.size);
  const result = objGetInfoByFd(fd, bytes);
  if (result < 0) return result;
  const field = (name: string) => readField(bpf_map_info, bytes, name);
  const [at = 0, length = 0] = bpf_map_info.fields.name ?? [];
  const name = new TextDecoder("latin1").decode(bytes.subarray(at, at + length));
  return {
    id: field("id"),
    type: field("type"),
    name: name.slice(0, name.indexOf("\0")),
    keySize: field("key_size"),
    valueSize: field("value_size"),
    maxEntries: field("max_entries"),
    flags: field("map_flags"),
    btfId: field("btf_id"),
    keyTypeId: field("btf_key_type_id"),
    valueTypeId: field("btf_value_type_id"),
    mapExtra: field("map_extra"),
  };
}

/** What a descriptor is for, where not for both. */
const ONLY: ReadonlyMap<number, string> = new Map([
  [O_RDONLY, "reading"],
  [O_WRONLY, "writing"],
]);

/** A map of the kernel. Closing it gives back its descriptor; the map lives on while a program, map or pin uses it. */
export class BpfMap implements Disposable {
  readonly name: string;
  readonly spec: MapSpec;
  readonly fd: Fd;
  /** What EBADF says of a descriptor that it was given. */
  protected readonly misfit: Cause = NO_SUCH_DESCRIPTOR;
  protected readonly context: MapContext;
  #keyCodec: Codec | undefined;
  #valueCodec: Codec | undefined;

  constructor(spec: MapSpec, fd: Fd, context: MapContext = {}) {
    this.name = spec.name;
    this.spec = spec;
    this.fd = fd;
    this.context = context;
  }

  /** What the kernel knows of it. */
  info(): MapInfo {
    const info = readMapInfo(this.fd.number);
    if (typeof info === "number") throw this.error(info, "ask about", "bpf(BPF_OBJ_GET_INFO_BY_FD)");
    return info;
  }

  /** The kernel's number of it, as `bpftool map` shows it. */
  get id(): number {
    return this.info().id;
  }

  /** What programs that use a new map want of it before they are loaded. */
  prepare(): void {}

  /** Puts a descriptor where its definition has a program or a map; 0 or -errno. */
  setSlot(index: number, fd: number): number {
    return mapUpdateElem(this.fd.number, indexKey(index), indexKey(fd));
  }

  /** From now on user space cannot write it; programs can (5.2). */
  freeze(): void {
    this.check(mapFreeze(this.fd.number), "freeze", "bpf(BPF_MAP_FREEZE)");
  }

  /** Whether it was frozen, by whomever; undefined where /proc does not tell. */
  get frozen(): boolean | undefined {
    const value = fdInfo(this.fd.number, "frozen");
    return value === undefined ? undefined : value !== "0";
  }

  /** Gives it a name in a bpffs, which keeps it alive until the file is removed. */
  pin(path: string): void {
    const result = objPin(this.fd.number, path);
    if (result >= 0) return;
    throw this.#closed ? this.error(result, "pin", "bpf(BPF_OBJ_PIN)") : pinError(result, `pin map ${this.name}`, path);
  }

  /** From now on keys or values are what these codecs make of their bytes, whatever BTF says. */
  withCodecs(codecs: { readonly key?: AnyCodec; readonly value?: AnyCodec }): this {
    const { key, value } = codecs as { key?: Codec; value?: Codec };
    for (const [what, codec, size] of [
      ["keys", key, this.spec.keySize],
      ["values", value, this.spec.valueSize],
    ] as const) {
      if (codec && codec.size !== size)
        throw new TypeError(`Cannot use a codec of ${codec.size} bytes: ${what} of map ${this.name} have ${size}`);
    }
    if (key) this.#keyCodec = key;
    if (value) this.#valueCodec = this.wrapValue(value);
    return this;
  }

  /** From now on keys and values are what is made of their codecs; of a per-CPU map of the one of all CPUs. */
  changeCodecs(change: (codec: Codec) => Codec): this {
    this.#keyCodec = change(this.keyCodec);
    this.#valueCodec = change(this.valueCodec);
    return this;
  }

  /**
   * What a person types as a key: JSON or text as BTF or the type has it, bytes in hexadecimal where neither has; opened
   * where keys are descriptors, to be closed by the caller. Throws TypeError where it does not fit.
   */
  keyFrom(text: string): unknown {
    return fromText(this.keyCodec, text);
  }

  /** The same of a value. */
  valueFrom(text: string): unknown {
    return fromText(this.valueCodec, text);
  }

  /** Compiled with the first use: most maps of an object are never looked into. */
  protected get keyCodec(): Codec {
    this.#keyCodec ??= this.makeKeyCodec();
    return this.#keyCodec;
  }

  protected get valueCodec(): Codec {
    this.#valueCodec ??= this.makeValueCodec();
    return this.#valueCodec;
  }

  protected makeKeyCodec(): Codec {
    return codecOf(this.context.btf, this.spec.keyTypeId, this.spec.keySize);
  }

  protected makeValueCodec(): Codec {
    const { btf } = this.context;
    const { valueTypeId, valueSize } = this.spec;
    const section = btf && sectionCodec(btf, valueTypeId, valueSize);
    return this.wrapValue(section ?? codecOf(btf, valueTypeId, valueSize));
  }

  /** What the kernel copies at once, made of the codec of one value: per-CPU maps have several. */
  protected wrapValue(codec: Codec): Codec {
    return codec;
  }

  /** Copies the value of a key given as bytes into `value`; false where there is none. */
  protected lookup(key: Uint8Array | 0, value: Uint8Array, flags = 0): boolean {
    const result = mapLookupElem(this.fd.number, key, value, checkedFlags(flags));
    if (result === -ENOENT) return false;
    this.check(result, "read", "bpf(BPF_MAP_LOOKUP_ELEM)");
    return true;
  }

  protected update(key: Uint8Array | 0, value: Uint8Array, flags: number): void {
    const result = mapUpdateElem(this.fd.number, key, value, checkedFlags(flags));
    this.check(result, "write", "bpf(BPF_MAP_UPDATE_ELEM)");
  }

  protected remove(key: Uint8Array): boolean {
    const result = mapDeleteElem(this.fd.number, key);
    if (result === -ENOENT || result === -E2BIG) return false; // the latter beyond the end of an array
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

  /** The keys as bytes, of a map that the kernel does not walk in batches. */
  protected walkKeys(): Generator<Uint8Array<ArrayBuffer>> {
    return walkKeys(this.spec, (key, next) => this.nextKey(key, next));
  }

  /** Why a slot could not be set to what the object's definition says. */
  slotError(result: number, index: number, name: string): BpfError {
    return this.error(result, `put ${name} at ${index} into`, "bpf(BPF_MAP_UPDATE_ELEM)");
  }

  protected check(result: number, doing: string, call: string): void {
    if (result < 0) throw this.error(result, doing, call);
  }

  protected error(result: number, doing: string, call: string): BpfError {
    const subject = `map ${this.name}`;
    const forbidden = result === -EPERM && this.#whyForbidden();
    if (forbidden) {
      const details = { call, errno: "EPERM", subject, ...forbidden };
      return new BpfRuntimeError(`Cannot ${doing} map ${this.name}: ${call} gave EPERM`, details);
    }
    const cause = result === -EBADF ? this.misfit : causeOf(result, doing);
    return kernelError(result, {
      doing: `${doing} map ${this.name}`,
      call,
      subject,
      ...(this.#closed ? CLOSED : cause),
    });
  }

  get #closed(): boolean {
    return this.fd.number < 0;
  }

  /** What the map itself, or how it was opened, forbids (map_get_sys_perms in kernel/bpf/syscall.c). */
  #whyForbidden(): { likely: string; action: string } | undefined {
    if (this.frozen)
      return { likely: "it is frozen: user space may only read it", action: "write it before it is frozen" };
    const mode = Number.parseInt(fdInfo(this.fd.number, "flags") ?? "", 8) & O_ACCMODE;
    const only = ONLY.get(mode);
    return only ? { likely: `it was opened for ${only} only`, action: "open it for both" } : undefined;
  }

  close(): void {
    this.fd.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
