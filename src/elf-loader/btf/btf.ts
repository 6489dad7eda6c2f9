/**
 * A BTF blob, of an object or of a kernel: header, type section, string section. Format: Documentation/bpf/btf.rst.
 * Types are decoded when asked for; a kernel has 150,000 of them.
 */
import { MAX_NAME, Reader, swapWords } from "../bytes/reader.ts";
import { bytesToString, stringToBytes } from "../bytes/text.ts";
import { ObjectError } from "../errors.ts";
import { BTF_MAGIC, BTF_VERSION, btf_header } from "../uapi/btf.ts";
import { RECORD_FORMATS, TYPE_WORDS } from "./records.ts";
import type { BtfKind, BtfType } from "./types.ts";

/** Longest chain of typedefs, qualifiers and arrays followed, twice what the kernel takes (MAX_RESOLVE_DEPTH in btf.c). */
export const MAX_DEPTH = 64;

/** Largest type, bytes: what a value in a map may be, KMALLOC_MAX_SIZE and more; keeps sizes exact 32-bit numbers. */
const MAX_SIZE = 2 ** 31 - 1;

const HEADER = btf_header.fields;
const field = (name: string): number => HEADER[name]?.[0] ?? 0;
/** Bytes of the header that every kernel knows: what newer ones describe behind it is not needed to read types. */
const HEADER_SIZE = field("layout_off");

interface Sections {
  /** Byte offset of the type section in the blob, for errors. */
  readonly typesAt: number;
  readonly words: Int32Array;
  readonly strings: Uint8Array;
}

export class Btf {
  readonly byteOrder: "little" | "big";
  /** Number of types, with void: valid ids are below it. */
  readonly typeCount: number;
  readonly #types: Sections;
  /** Index of the first word of each type's record, by id. */
  readonly #starts: Uint32Array;
  readonly #section: string;

  private constructor(byteOrder: "little" | "big", types: Sections, section: string) {
    this.byteOrder = byteOrder;
    this.#types = types;
    this.#section = section;
    this.#starts = this.#index();
    this.typeCount = this.#starts.length;
  }

  /**
   * Checks the header and the shape of every record; what records refer to is checked when it is followed.
   * The bytes are copied only where they are not in this machine's (little-endian) order or not aligned: leave them alone.
   *
   * @param section name for errors
   * @throws ObjectError
   */
  static parse(bytes: Uint8Array, section = ".BTF"): Btf {
    const littleEndian = !(bytes[0] === BTF_MAGIC >> 8 && bytes[1] === (BTF_MAGIC & 0xff));
    const blob = new Reader(bytes, section, littleEndian);
    return new Btf(littleEndian ? "little" : "big", readSections(blob), section);
  }

  /** The type of an id. @throws ObjectError when there is none or its record refers to nothing */
  type(id: number): BtfType {
    if (id === 0) return { kind: "void" };
    const at = this.#start(id);
    const { words, strings } = this.#types;
    const info = words[at + 1] as number;
    const string = (offset: number) => this.#string(offset, strings, at);
    return this.#format(at).read({
      words,
      at,
      count: info & 0xffff,
      flag: info < 0,
      sizeOrType: words[at + 2] as number,
      name: string(words[at] as number),
      string,
    });
  }

  /** What kind a type is, without decoding it. */
  kind(id: number): BtfKind {
    return id === 0 ? "void" : this.#format(this.#start(id)).kind;
  }

  /** Name of a type, empty when it has none. */
  nameOf(id: number): string {
    if (id === 0) return "void";
    const at = this.#start(id);
    return this.#string(this.#types.words[at] as number, this.#types.strings, at);
  }

  /** A string of the string section by its offset, as .BTF.ext refers to it. */
  stringAt(offset: number): string {
    return this.#string(offset, this.#types.strings, 0);
  }

  /** Id of the first type with this name and, if given, kind; 0 when there is none. One scan, nothing allocated a type. */
  findByName(name: string, kind?: BtfKind): number {
    const wanted = stringToBytes(`${name}\0`);
    const { words, strings } = this.#types;
    for (let id = 1; id < this.#starts.length; id++) {
      const at = this.#starts[id] as number;
      if (!startsWith(strings, words[at] as number, wanted)) continue;
      if (kind === undefined || this.#format(at).kind === kind) return id;
    }
    return 0;
  }

  /** Ids of all types of a kind, in order. */
  *idsOf(kind: BtfKind): Generator<number> {
    for (let id = 1; id < this.typeCount; id++) if (this.kind(id) === kind) yield id;
  }

  /** The id behind typedefs, qualifiers and type tags. @throws ObjectError when the chain has no end */
  resolve(id: number): number {
    let current = id;
    for (let depth = 0; depth < MAX_DEPTH; depth++) {
      if (!TRANSPARENT.has(this.kind(current))) return current;
      current = this.#types.words[this.#start(current) + 2] as number;
    }
    throw this.error(`Cannot resolve type ${id}: more than ${MAX_DEPTH} references`, id);
  }

  /** The type behind typedefs, qualifiers and type tags. */
  resolved(id: number): BtfType {
    return this.type(this.resolve(id));
  }

  /** Bytes of a value of a type. @throws ObjectError for void, functions and forward declarations */
  sizeOf(id: number): number {
    let count = 1;
    let current = id;
    for (let depth = 0; depth < MAX_DEPTH; depth++) {
      const at = this.resolve(current);
      const type = this.type(at);
      if (type.kind === "var") current = type.type;
      else if (type.kind === "array") {
        current = type.type;
        count *= type.length;
      } else return this.#checkedSize(at, type, count);
    }
    throw this.error(`Cannot take the size of type ${id}: more than ${MAX_DEPTH} arrays`, id);
  }

  #checkedSize(id: number, type: BtfType, count: number): number {
    const size = type.kind === "pointer" ? 8 : "size" in type ? type.size : undefined;
    if (size === undefined) throw this.error(`Cannot take the size of type ${id}: ${describe(type)} has none`, id);
    if (size * count > MAX_SIZE) throw this.error(`Cannot take the size of type ${id}: ${size * count} bytes`, id);
    return size * count;
  }

  /** The blob for BPF_BTF_LOAD or a file, in its own byte order. */
  encode(): Uint8Array {
    const { words, strings } = this.#types;
    const typeBytes = words.byteLength;
    const bytes = new Uint8Array(HEADER_SIZE + typeBytes + strings.length);
    const view = new DataView(bytes.buffer);
    const littleEndian = this.byteOrder === "little";
    view.setUint16(field("magic"), BTF_MAGIC, littleEndian);
    view.setUint8(field("version"), BTF_VERSION);
    view.setUint32(field("hdr_len"), HEADER_SIZE, littleEndian);
    view.setUint32(field("type_len"), typeBytes, littleEndian);
    view.setUint32(field("str_off"), typeBytes, littleEndian);
    view.setUint32(field("str_len"), strings.length, littleEndian);
    const types = bytes.subarray(HEADER_SIZE, HEADER_SIZE + typeBytes);
    types.set(new Uint8Array(words.buffer, words.byteOffset, typeBytes));
    if (!littleEndian) swapWords(types);
    bytes.set(strings, HEADER_SIZE + typeBytes);
    return bytes;
  }

  /** A copy that may be patched without changing this one. */
  copy(): Btf {
    return new Btf(this.byteOrder, { ...this.#types, words: this.#types.words.slice() }, this.#section);
  }

  /** Changes one 32-bit word of a record, counted from the start of its btf_type: for the fix-ups before load. */
  patch(id: number, index: number, value: number): void {
    this.#types.words[this.#start(id) + index] = value;
  }

  /** Changes the vlen of a record: of a function, its linkage. */
  setCount(id: number, count: number): void {
    const info = this.#types.words[this.#start(id) + 1] as number;
    this.patch(id, 1, (info & ~0xffff) | count);
  }

  /** An error about a type, at the offset of its record. */
  error(message: string, id: number): ObjectError {
    return this.#failure(message, this.#starts[id] ?? 0);
  }

  #start(id: number): number {
    const at = id > 0 ? this.#starts[id] : undefined;
    if (at === undefined) throw this.error(`Cannot use type ${id}: the last one is ${this.typeCount - 1}`, 0);
    return at;
  }

  #format(at: number) {
    const kind = ((this.#types.words[at + 1] as number) >>> 24) & 0x1f;
    return RECORD_FORMATS[kind] as (typeof RECORD_FORMATS)[number];
  }

  #string(offset: number, strings: Uint8Array, at: number): string {
    if (offset >= 0) {
      const limit = Math.min(strings.length, offset + MAX_NAME + 1);
      for (let end = offset; end < limit; end++) {
        if (strings[end] === 0) return bytesToString(strings, offset, end);
      }
    }
    throw this.#failure(`Cannot read a name at string offset ${offset >>> 0}`, at);
  }

  #failure(message: string, at: number): ObjectError {
    return new ObjectError(message, this.#section, this.#types.typesAt + at * 4);
  }

  /** Where each record begins; two passes, so that nothing is allocated before it is known to be there. */
  #index(): Uint32Array {
    const count = this.#walk(() => {});
    const starts = new Uint32Array(count + 1);
    this.#walk((id, at) => {
      starts[id] = at;
    });
    return starts;
  }

  /** Visits every record and checks that it is whole. Returns how many there are. */
  #walk(visit: (id: number, at: number) => void): number {
    const { words } = this.#types;
    let id = 0;
    for (let at = 0; at < words.length; ) {
      if (at + TYPE_WORDS > words.length) throw this.#failure(`Cannot parse type ${id + 1}: cut off`, at);
      const info = words[at + 1] as number;
      const format = RECORD_FORMATS[(info >>> 24) & 0x1f];
      if (!format) throw this.#failure(`Cannot parse type ${id + 1}: unknown kind ${(info >>> 24) & 0x1f}`, at);
      const next = at + TYPE_WORDS + format.fixed + (info & 0xffff) * format.each;
      if (next > words.length)
        throw this.#failure(`Cannot parse type ${id + 1}: its ${format.kind} record is cut off`, at);
      visit(++id, at);
      at = next;
    }
    return id;
  }
}

const TRANSPARENT: ReadonlySet<BtfKind> = new Set(["typedef", "const", "volatile", "restrict", "type_tag"]);

/** A type as an error names it: `struct task_struct`, `void`. */
export function describe(type: BtfType): string {
  return "name" in type && type.name !== "" ? `${type.kind} ${type.name}` : type.kind;
}

function startsWith(bytes: Uint8Array, offset: number, wanted: Uint8Array): boolean {
  for (let i = 0; i < wanted.length; i++) if (bytes[offset + i] !== wanted[i]) return false;
  return true;
}

function readSections(blob: Reader): Sections {
  const u32 = (name: string) => blob.u32(field(name), name);
  if (blob.u16(field("magic"), "magic") !== BTF_MAGIC) throw blob.error("Cannot parse BTF header: no BTF magic", 0);
  const version = blob.u8(field("version"), "version");
  if (version !== BTF_VERSION)
    throw blob.error(`Cannot parse BTF header: unknown version ${version}`, field("version"));
  const header = u32("hdr_len");
  if (header < HEADER_SIZE) throw blob.error(`Cannot parse BTF header: ${header} bytes`, field("hdr_len"));
  const typesAt = header + u32("type_off");
  const types = blob.slice(typesAt, u32("type_len"), "type section");
  if (types.length % 4 !== 0)
    throw blob.error(`Cannot parse BTF header: ${types.length} bytes of types`, field("type_len"));
  const strings = blob.slice(header + u32("str_off"), u32("str_len"), "string section");
  if (strings[0] !== 0 || strings[strings.length - 1] !== 0) {
    throw blob.error("Cannot parse BTF header: the string section does not begin and end with NUL", field("str_off"));
  }
  return { typesAt, words: nativeWords(types, blob.littleEndian), strings };
}

/** The type section as this machine's words: every machine Linux runs eBPF on under Bun is little-endian. */
function nativeWords(bytes: Uint8Array, littleEndian: boolean): Int32Array {
  if (littleEndian && bytes.byteOffset % 4 === 0)
    return new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const copy = bytes.slice();
  return new Int32Array((littleEndian ? copy : swapWords(copy)).buffer);
}
