/**
 * A BTF blob, of an object or of a kernel: header, type section, string section. Format: Documentation/bpf/btf.rst.
 * Types are decoded when asked for; a kernel has 150,000 of them. A module's BTF is split: ids and string offsets go on
 * where those of the kernel's end.
 */
import { Reader, SHARING, StringTable } from "../bytes/reader.ts";
import { bytesToString, concat, stringToBytes } from "../bytes/text.ts";
import { ObjectError } from "../errors.ts";
import { BTF_MAGIC } from "../uapi/btf.ts";
import { readSections, type Sections, writeSections } from "./blob.ts";
import { essentialName, likelyNamed } from "./names.ts";
import { RECORD_FORMATS, TYPE_WORDS } from "./records.ts";
import type { BtfKind, BtfType } from "./types.ts";

/** Longest chain of typedefs, qualifiers and arrays followed, twice what the kernel takes (MAX_RESOLVE_DEPTH in btf.c). */
export const MAX_DEPTH = 64;

/** Most types kept decoded. */
const MAX_DECODED = 256;

/** Bytes of a name of which there may be as many as types and members; where counting takes its time, as a kernel's, longer. */
const USUAL_NAME = 24;
const [USUAL_OF_LARGE, LARGE] = [128, 2 << 20];
/** Bytes of all longer names, of types and members, that any BTF may have. */
const LEAST_LONG = 4 << 20;

/** Largest type, bytes: what a value in a map may be, KMALLOC_MAX_SIZE and more; keeps sizes exact 32-bit numbers. */
const MAX_SIZE = 2 ** 31 - 1;

export class Btf {
  readonly byteOrder: "little" | "big";
  /** Number of types, with void and those of the base: valid ids are below it. */
  readonly typeCount: number;
  /** What this one continues, of a module's. */
  readonly base: Btf | undefined;
  /** What it is called in errors: `.BTF`, `vmlinux`, a module's name. */
  readonly name: string;
  readonly #types: Sections;
  /** Ids up to this one are the base's. */
  readonly #lastOfBase: number;
  /** String offsets below this one are the base's. */
  readonly #stringsFrom: number;
  /** Index of the first word of each record of its own, by id less #lastOfBase. */
  readonly #starts: Uint32Array;
  /** BTF_KIND_* of each, the same way: a search in them is many times faster than a loop. */
  readonly #kinds: Uint8Array;
  /** Types asked for lately: whoever follows a path asks for the same few again and again. */
  readonly #decoded = new Map<number, BtfType>();
  #longNames: "few" | "too many" | undefined;
  #lines: StringTable | undefined;
  #sections: ReadonlyMap<string, number> | undefined;

  private constructor(byteOrder: "little" | "big", types: Sections, name: string, base?: Btf) {
    this.byteOrder = byteOrder;
    this.base = base;
    this.name = name;
    this.#types = types;
    this.#lastOfBase = base ? base.typeCount - 1 : 0;
    this.#stringsFrom = base?.stringsEnd ?? 0;
    [this.#starts, this.#kinds] = this.#index();
    this.typeCount = this.#lastOfBase + this.#starts.length;
  }

  /**
   * Checks the header and the shape of every record; what records refer to is checked when it is followed.
   * The bytes are copied only where they are not in this machine's (little-endian) order or not aligned: leave them alone.
   *
   * @param name what it is called in errors
   * @param base the BTF that this one continues, as that of the kernel for a module's
   * @throws ObjectError
   */
  static parse(bytes: Uint8Array, name = ".BTF", base?: Btf): Btf {
    const littleEndian = !(bytes[0] === BTF_MAGIC >> 8 && bytes[1] === (BTF_MAGIC & 0xff));
    const blob = new Reader(bytes, name, littleEndian);
    return new Btf(littleEndian ? "little" : "big", readSections(blob, base !== undefined), name, base);
  }

  /** No types yet: for btf/builder.ts to add to. */
  static empty(byteOrder: Btf["byteOrder"] = "little", name = ".BTF"): Btf {
    return new Btf(byteOrder, { typesAt: 0, words: new Int32Array(), strings: new Uint8Array(1) }, name);
  }

  /** The type of an id. @throws ObjectError when there is none or its record refers to nothing */
  type(id: number): BtfType {
    if (this.base && id <= this.#lastOfBase) return this.base.type(id);
    let type = this.#decoded.get(id);
    if (!type) {
      if (this.#decoded.size >= MAX_DECODED) this.#decoded.clear();
      type = this.#decode(id);
      this.#decoded.set(id, type);
    }
    return type;
  }

  #decode(id: number, read = (offset: number, at: number) => this.#string(offset, at)): BtfType {
    if (id === 0) return { kind: "void" };
    const at = this.#start(id);
    const { words } = this.#types;
    const info = words[at + 1] as number;
    const string = (offset: number) => read(offset, at);
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
    if (this.base && id <= this.#lastOfBase) return this.base.kind(id);
    return id === 0 ? "void" : this.#format(this.#start(id)).kind;
  }

  /** Name of a type, empty when it has none. */
  nameOf(id: number): string {
    if (this.base && id <= this.#lastOfBase) return this.base.nameOf(id);
    if (id === 0) return "void";
    const at = this.#start(id);
    return this.#string(this.#types.words[at] as number, at);
  }

  /** Where in the string section its name is. */
  nameOffsetOf(id: number): number {
    if (this.base && id <= this.#lastOfBase) return this.base.nameOffsetOf(id);
    return this.#types.words[this.#start(id)] as number;
  }

  /** A string by its offset, as .BTF.ext refers to it: paths, lines of source, which have any length. @throws ObjectError */
  stringAt(offset: number): string {
    const { owner, at } = this.#stringsOf(offset >>> 0);
    owner.#lines ??= owner.#lineTable();
    return owner.#lines.get(at, "a string");
  }

  #lineTable(): StringTable {
    const reader = new Reader(this.#types.strings, `${this.name} strings`, this.byteOrder === "little");
    return new StringTable(reader);
  }

  /** Id of the section of this name; 0 when there is none. */
  section(name: string): number {
    this.#sections ??= this.#readSections();
    return this.#sections.get(name) ?? 0;
  }

  #readSections(): Map<string, number> {
    const sections = new Map<string, number>();
    for (const id of this.idsOf("datasec")) {
      const name = this.nameOf(id);
      if (!sections.has(name)) sections.set(name, id);
    }
    return sections;
  }

  /**
   * Id of the first type with this name and, if given, kind; 0 when there is none. The base's come first. One scan,
   * nothing allocated a type.
   */
  findByName(name: string, kind?: BtfKind): number {
    const inBase = this.base?.findByName(name, kind) ?? 0;
    if (inBase !== 0) return inBase;
    const wanted = stringToBytes(`${name}\0`);
    for (let i = 1; i < this.#starts.length; i++) {
      const at = this.#starts[i] as number;
      if (!this.#startsWith(this.#types.words[at] as number, wanted)) continue;
      if (kind === undefined || this.#format(at).kind === kind) return this.#lastOfBase + i;
    }
    return 0;
  }

  /**
   * Ids of its own types (not the base's) of some kinds whose name, without a flavor (`___old`), is one of these; by that
   * name, in order. One scan for all of them.
   */
  findAll(names: Iterable<string>, kinds: ReadonlySet<BtfKind>): Map<string, number[]> {
    const found = new Map([...names].map((name) => [name, [] as number[]]));
    const { words, strings } = this.#types;
    const ofBase = this.base ? this.base.#types.strings : strings;
    for (const i of likelyNamed(found.keys(), {
      ...{ words, starts: this.#starts, kinds: this.#kinds, wanted: kindNumbers(kinds) },
      ...{ strings, ofBase, from: this.#stringsFrom },
    })) {
      const name = this.nameOf(this.#lastOfBase + i);
      found.get(essentialName(name))?.push(this.#lastOfBase + i);
    }
    return found;
  }

  /** Ids of all its own types of a kind, in order. */
  *idsOf(kind: BtfKind): Generator<number> {
    for (let id = this.#lastOfBase + 1; id < this.typeCount; id++) if (this.kind(id) === kind) yield id;
  }

  /** The id behind typedefs, qualifiers and type tags. @throws ObjectError when the chain has no end */
  resolve(id: number): number {
    let current = id;
    for (let depth = 0; depth < MAX_DEPTH; depth++) {
      if (!TRANSPARENT.has(this.kind(current))) return current;
      current = this.#target(current);
    }
    throw this.error(`Cannot resolve type ${id}: more than ${MAX_DEPTH} references`, id);
  }

  /** The third word of a record. */
  #target(id: number): number {
    if (this.base && id <= this.#lastOfBase) return this.base.#target(id);
    return this.#types.words[this.#start(id) + 2] as number;
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
    return writeSections(this.#types, this.byteOrder === "little");
  }

  /** A copy that may be patched without changing this one. */
  copy(): Btf {
    return new Btf(this.byteOrder, { ...this.#types, words: this.#types.words.slice() }, this.name, this.base);
  }

  /** A copy with more records and strings behind its own: for btf/builder.ts. */
  extended(words: Int32Array, strings: Uint8Array): Btf {
    const all = new Int32Array(this.#types.words.length + words.length);
    all.set(this.#types.words);
    all.set(words, this.#types.words.length);
    const types = { ...this.#types, words: all, strings: concat([this.#types.strings, strings]) };
    return new Btf(this.byteOrder, types, this.name, this.base);
  }

  /** Bytes of its own types and names. */
  get byteSize(): number {
    return this.#types.words.byteLength + this.#types.strings.length;
  }

  /** The string offset behind its last name. */
  get stringsEnd(): number {
    return this.#stringsFrom + this.#types.strings.length;
  }

  /** Changes one 32-bit word of a record, counted from the start of its btf_type: for the fix-ups before load. */
  patch(id: number, index: number, value: number): void {
    this.#types.words[this.#start(id) + index] = value;
    this.#decoded.clear();
  }

  /** Changes the vlen of a record: of a function, its linkage. */
  setCount(id: number, count: number): void {
    const info = this.#types.words[this.#start(id) + 1] as number;
    this.patch(id, 1, (info & ~0xffff) | count);
  }

  /** An error about a type, at the offset of its record. */
  error(message: string, id: number): ObjectError {
    if (this.base && id > 0 && id <= this.#lastOfBase) return this.base.error(message, id);
    return this.#failure(message, this.#starts[id - this.#lastOfBase] ?? 0);
  }

  #start(id: number): number {
    const at = id > this.#lastOfBase ? this.#starts[id - this.#lastOfBase] : undefined;
    if (at === undefined) throw this.error(`Cannot use type ${id}: the last one is ${this.typeCount - 1}`, 0);
    return at;
  }

  #format(at: number) {
    const kind = ((this.#types.words[at + 1] as number) >>> 24) & 0x1f;
    return RECORD_FORMATS[kind] as (typeof RECORD_FORMATS)[number];
  }

  /** The one of the two whose string section an offset is in, and the place in it. */
  #stringsOf(offset: number): { owner: Btf; at: number } {
    if (this.base && offset >= 0 && offset < this.#stringsFrom) return this.base.#stringsOf(offset);
    return { owner: this, at: offset - this.#stringsFrom };
  }

  #startsWith(offset: number, wanted: Uint8Array): boolean {
    const { owner, at } = this.#stringsOf(offset);
    const { strings } = owner.#types;
    for (let i = 0; i < wanted.length; i++) if (strings[at + i] !== wanted[i]) return false;
    return true;
  }

  #string(offset: number, record: number): string {
    const { owner, at } = this.#stringsOf(offset);
    const { strings } = owner.#types;
    const end = at >= 0 ? strings.indexOf(0, at) : -1;
    if (end < 0) throw this.#failure(`Cannot read a name at string offset ${offset >>> 0}`, record);
    if (end - at > this.usualName) this.#checkLongNames();
    return bytesToString(strings, at, end);
  }

  /** Bytes of the longest name that may be used any number of times. */
  get usualName(): number {
    return this.#types.words.byteLength > LARGE ? USUAL_OF_LARGE : USUAL_NAME;
  }

  /** Bytes that the uses of all longer names may take: names share their ends at most. */
  get mostLong(): number {
    return Math.max(LEAST_LONG, SHARING * this.stringsEnd);
  }

  /**
   * A small file could give thousands of types one long name, for whoever prints or decodes them all: in sum they may not be
   * more than mostLong. Only looked at where there is one.
   */
  #checkLongNames(): void {
    if (this.#longNames === undefined) {
      let left = this.mostLong;
      const count = (offset: number) => {
        const { owner, at } = this.#stringsOf(offset);
        const length = left < 0 || at < 0 ? 0 : owner.#types.strings.indexOf(0, at) - at;
        if (length > this.usualName) left -= length;
        return "";
      };
      for (let id = this.#lastOfBase + 1; id < this.typeCount && left >= 0; id++) this.#decode(id, count);
      this.#longNames = left < 0 ? "too many" : "few";
    }
    if (this.#longNames === "too many") throw this.#failure("Cannot read names: they are too long in sum", 0);
  }

  #failure(message: string, at: number): ObjectError {
    return new ObjectError(message, this.name, this.#types.typesAt + at * 4);
  }

  /** Where each record begins. What is allocated for it is bounded by the records themselves. */
  #index(): [Uint32Array, Uint8Array] {
    const { words } = this.#types;
    const most = Math.floor(words.length / TYPE_WORDS) + 2;
    let room = Math.min(most, Math.ceil(words.length / USUAL_WORDS) + 2);
    let [starts, kinds] = [new Uint32Array(room), new Uint8Array(room)];
    let count = indexRecords(words, starts, kinds, 0);
    while (count + 1 === room && room < most && recordWords(words, starts[count] as number) > 0) {
      room = Math.min(most, room * 2);
      [starts, kinds] = [grown(starts, new Uint32Array(room)), grown(kinds, new Uint8Array(room))];
      count = indexRecords(words, starts, kinds, count);
    }
    const last = starts[count] as number;
    const end = last + recordWords(words, last);
    if (count > 0 && end !== words.length) throw this.#badRecord(count, last);
    return [starts.subarray(0, count + 1), kinds.subarray(0, count + 1)];
  }

  #badRecord(index: number, at: number): ObjectError {
    const what = `Cannot parse type ${this.#lastOfBase + index}`;
    if (at + TYPE_WORDS > this.#types.words.length) return this.#failure(`${what}: cut off`, at);
    const kind = ((this.#types.words[at + 1] as number) >>> 24) & 0x1f;
    const format = RECORD_FORMATS[kind];
    return this.#failure(`${what}: ${format ? `its ${format.kind} record is cut off` : `unknown kind ${kind}`}`, at);
  }
}

/** BTF_KIND_* of kinds. */
const kindNumbers = (kinds: ReadonlySet<BtfKind>): number[] =>
  Object.entries(RECORD_FORMATS).flatMap(([number, { kind }]) => (kinds.has(kind) ? [Number(number)] : []));

/** Words of a record by BTF_KIND_*, without its entries (0: no such kind), and words of each entry. */
const FIXED_WORDS = new Uint32Array(32);
const EACH_WORDS = new Uint32Array(32);
for (const [kind, { fixed, each }] of Object.entries(RECORD_FORMATS)) {
  FIXED_WORDS[Number(kind)] = TYPE_WORDS + fixed;
  EACH_WORDS[Number(kind)] = each;
}

/** Words of a record on the average, a little less than kernels have: what is made too large costs page faults. */
const USUAL_WORDS = 6;

function grown<T extends Uint32Array | Uint8Array>(from: T, to: T): T {
  to.set(from);
  return to;
}

/**
 * Fills in where each record behind the first `count` begins and of what kind it is, until there is no more room, and
 * returns how many there are; the last one may be of no kind, or cut off.
 * A loop of its own with nothing else in it: the first one over a kernel's BTF runs before the JIT has seen it.
 */
function indexRecords(words: Int32Array, starts: Uint32Array, kinds: Uint8Array, known: number): number {
  const fixed = FIXED_WORDS;
  const each = EACH_WORDS;
  const length = words.length;
  const room = starts.length - 1;
  let count = known;
  let at = known === 0 ? 0 : (starts[known] as number) + recordWords(words, starts[known] as number);
  while (at < length && count < room) {
    starts[++count] = at;
    const info = words[at + 1] as number;
    const kind = (info >>> 24) & 31;
    kinds[count] = kind;
    const size = fixed[kind] as number;
    if (size === 0) break;
    at += size + (info & 0xffff) * (each[kind] as number);
  }
  return count;
}

/** Words of the record there, 0 where it is of no kind or not even its head is there. */
function recordWords(words: Int32Array, at: number): number {
  if (at + TYPE_WORDS > words.length) return 0;
  const info = words[at + 1] as number;
  const kind = (info >>> 24) & 31;
  const size = FIXED_WORDS[kind] as number;
  return size === 0 ? 0 : size + (info & 0xffff) * (EACH_WORDS[kind] as number);
}

const TRANSPARENT: ReadonlySet<BtfKind> = new Set(["typedef", "const", "volatile", "restrict", "type_tag"]);

/** A type as an error names it: `struct task_struct`, `void`. */
export function describe(type: BtfType): string {
  return "name" in type && type.name !== "" ? `${type.kind} ${type.name}` : type.kind;
}
