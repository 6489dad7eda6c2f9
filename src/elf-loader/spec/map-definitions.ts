/**
 * Maps defined in the section .maps: each is a variable whose struct type is the definition, `__uint(name, value)` being
 * a pointer to an array of value elements and `__type(name, T)` a pointer to T. Source: bpf_helpers.h and
 * parse_btf_map_def in libbpf's libbpf.c.
 */
import { type Btf, describe } from "../btf/btf.ts";
import type { BtfComposite, BtfDatasec, BtfMember } from "../btf/types.ts";
import type { ElfFile, ElfRelocation, ElfSection } from "../elf/elf-file.ts";
import { ObjectError } from "../errors.ts";
import {
  BPF_MAP_TYPE_ARENA,
  BPF_MAP_TYPE_ARRAY_OF_MAPS,
  BPF_MAP_TYPE_HASH_OF_MAPS,
  BPF_MAP_TYPE_PROG_ARRAY,
} from "../uapi/bpf.ts";
import { BTF_VAR_GLOBAL_ALLOCATED } from "../uapi/btf.ts";
import { mapKey } from "./image.ts";
import type { MapSlot, MapSpec } from "./types.ts";

const SECTION = ".maps";

export interface DefinedMap {
  readonly spec: MapSpec;
  /** Where it is: see `mapKey`. */
  readonly key: string;
}

/** @throws ObjectError when the section has no BTF or a definition says what no loader knows */
export function readMapDefinitions(elf: ElfFile, btf: Btf | undefined): DefinedMap[] {
  const section = elf.sections.find(({ name, size }) => name === SECTION && size > 0);
  if (!section) return [];
  const id = btf?.section(SECTION) ?? 0;
  if (!btf || id === 0) throw new ObjectError("Cannot read maps: the object has no BTF of section .maps", SECTION, 0);
  const slots = new Slots(elf, section);
  const defined = (btf.type(id) as BtfDatasec).vars.map((entry) => readDefinition(btf, section, entry, slots));
  slots.checkAllRead();
  checkArenas(defined);
  return defined;
}

/** A program has one arena at most, and what the object's pointers into one mean is said once for all its programs. */
function checkArenas(defined: readonly DefinedMap[]): void {
  const [one, other] = defined.filter(({ spec }) => spec.type === BPF_MAP_TYPE_ARENA).map(({ spec }) => spec.name);
  if (other !== undefined) throw new ObjectError(`Cannot use map ${other}: ${one} is an arena already`, SECTION, 0);
}

/** The relocations of the section: each sets one slot of a map to another map or a program. */
class Slots {
  readonly #relocations: readonly ElfRelocation[];
  readonly #read = new Set<ElfRelocation>();

  constructor(elf: ElfFile, section: ElfSection) {
    this.#relocations = elf.relocations.get(section.index) ?? [];
  }

  /** Those in [start, end) of the section, where a map's `values` are pointers. */
  within(start: number, end: number): MapSlot[] {
    const own = this.#relocations.slice(this.#firstFrom(start), this.#firstFrom(end));
    return own.map((relocation) => {
      const { offset, symbol } = relocation;
      const index = (offset - start) / POINTER_SIZE;
      if (!Number.isInteger(index) || symbol.name === "") throw misplaced(relocation);
      this.#read.add(relocation);
      return { index, name: symbol.name };
    });
  }

  /** Index of the first at or behind an offset: they are in order. */
  #firstFrom(offset: number): number {
    let low = 0;
    let high = this.#relocations.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#relocations[middle] as ElfRelocation).offset < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  checkAllRead(): void {
    const left = this.#relocations.find((relocation) => !this.#read.has(relocation));
    if (left) throw misplaced(left);
  }
}

/** Bytes of a pointer in an object. */
const POINTER_SIZE = 8;

const misplaced = ({ symbol, offset }: ElfRelocation) =>
  new ObjectError(
    `Cannot set a slot to ${symbol.name || "nothing"}: it is in no map's values`,
    SECTION,
    Number.isSafeInteger(offset) ? offset : 0,
  );

function readDefinition(btf: Btf, section: ElfSection, entry: BtfDatasec["vars"][number], slots: Slots): DefinedMap {
  const variable = btf.type(entry.type);
  const fail = (name: string, why: string) => new ObjectError(`Cannot use map ${name}: ${why}`, SECTION, entry.offset);
  if (variable.kind !== "var" || variable.name === "") throw fail("", `${describe(variable)} is no variable`);
  if (variable.linkage !== BTF_VAR_GLOBAL_ALLOCATED) throw fail(variable.name, "it is not a global variable");
  const type = btf.resolved(variable.type);
  if (type.kind !== "struct") throw fail(variable.name, `${describe(type)} is no struct`);
  if (entry.size < type.size || entry.offset + type.size > section.size) throw fail(variable.name, "it is cut off");
  const spec = new Definition(btf, variable.name, entry.offset, false).read(type);
  const values = type.members.find(({ name }) => name === "values");
  if (values) spec.slots = slots.within(entry.offset + values.bitOffset / 8, entry.offset + entry.size);
  if (spec.slots?.length && spec.type === BPF_MAP_TYPE_HASH_OF_MAPS && spec.keySize !== 4)
    throw fail(variable.name, `values by keys of ${spec.keySize} bytes`);
  return { spec, key: mapKey(section.index, entry.offset) };
}

const MAPS_OF_MAPS: ReadonlySet<number> = new Set([BPF_MAP_TYPE_ARRAY_OF_MAPS, BPF_MAP_TYPE_HASH_OF_MAPS]);

/** One definition while it is read. */
class Definition {
  readonly #btf: Btf;
  readonly #offset: number;
  readonly #inner: boolean;
  readonly #spec: MapSpec;

  constructor(btf: Btf, name: string, offset: number, inner: boolean) {
    this.#btf = btf;
    this.#offset = offset;
    this.#inner = inner;
    const sizes = { keySize: 0, valueSize: 0, maxEntries: 0, keyTypeId: 0, valueTypeId: 0 };
    this.#spec = { name, type: 0, ...sizes, flags: 0, mapExtra: 0n, pinning: "none", frozen: false };
  }

  read(struct: BtfComposite): MapSpec {
    for (const [i, member] of struct.members.entries()) {
      const read = FIELDS.get(member.name);
      if (!read) throw this.fail(`unknown field ${member.name}`);
      if (member.name === "values" && i !== struct.members.length - 1) throw this.fail("values is not the last field");
      read(this, this.#spec, member);
    }
    if (this.#spec.type === 0) throw this.fail("it has no type");
    return this.#spec;
  }

  /** `__uint(name, value)`. */
  number(member: BtfMember): number {
    const pointer = this.#btf.resolved(member.type);
    const array = pointer.kind === "pointer" ? this.#btf.type(pointer.type) : undefined;
    if (array?.kind !== "array") throw this.fail(`${member.name} is no __uint()`);
    return array.length;
  }

  /** `__ulong(name, value)`: an enum with one value; or `__uint`. */
  long(member: BtfMember): bigint {
    const type = this.#btf.resolved(member.type);
    if (type.kind !== "enum" && type.kind !== "enum64") return BigInt(this.number(member));
    const [value, another] = type.values;
    if (!value || another) throw this.fail(`${member.name} is no __ulong()`);
    return BigInt.asUintN(64, BigInt(value.value));
  }

  /** `__type(name, T)`: the id of T. */
  typeOf(member: BtfMember): number {
    const pointer = this.#btf.type(member.type);
    if (pointer.kind !== "pointer") throw this.fail(`${member.name} is no __type()`);
    return pointer.type;
  }

  sizeOf(typeId: number): number {
    return this.#btf.sizeOf(typeId);
  }

  /** A size given twice, as key_size and by key, must be the same. */
  size(what: string, known: number, size: number): number {
    if (known !== 0 && known !== size) throw this.fail(`${what} is both ${known} and ${size} bytes`);
    return size;
  }

  /** `__array(values, T)`: the definition of the maps inside, or the type of the programs. */
  values(member: BtfMember): MapSpec | undefined {
    if (this.#inner) throw this.fail("a map inside a map of maps has values");
    const array = this.#btf.type(member.type);
    if (array.kind === "array" && array.length > 0)
      throw this.fail("values has a length: its slots are counted where it ends");
    const element = array.kind === "array" ? this.#btf.resolved(array.type) : undefined;
    if (element?.kind !== "pointer") throw this.fail("values is no array of pointers");
    const type = this.#btf.resolved(element.type);
    if (this.#spec.type === BPF_MAP_TYPE_PROG_ARRAY && type.kind === "func_proto") return undefined;
    if (!MAPS_OF_MAPS.has(this.#spec.type) || type.kind !== "struct") throw this.fail(`values of ${describe(type)}`);
    return new Definition(this.#btf, `${this.#spec.name}.inner`, this.#offset, true).read(type);
  }

  pinning(member: BtfMember): MapSpec["pinning"] {
    const value = this.number(member);
    if (this.#inner) throw this.fail("a map inside a map of maps is pinned");
    if (value > 1) throw this.fail(`unknown pinning ${value}`);
    return value === 1 ? "by-name" : "none";
  }

  fail(why: string): ObjectError {
    return new ObjectError(`Cannot use map ${this.#spec.name}: ${why}`, SECTION, this.#offset);
  }
}

type ReadField = (definition: Definition, spec: MapSpec, member: BtfMember) => void;

/** Slots of a map of maps and of a program array hold descriptors, whatever the definition says of their size. */
const DESCRIPTOR_SIZE = 4;

const FIELD_READERS: { readonly [name: string]: ReadField } = {
  type: (d, spec, member) => {
    spec.type = d.number(member);
  },
  max_entries: (d, spec, member) => {
    spec.maxEntries = d.number(member);
  },
  map_flags: (d, spec, member) => {
    spec.flags = (spec.flags | d.number(member)) >>> 0;
  },
  // As libbpf: the kernel takes notice of it only where the flags have BPF_F_NUMA_NODE as well.
  numa_node: (d, spec, member) => {
    spec.numaNode = d.number(member);
  },
  key_size: (d, spec, member) => {
    spec.keySize = d.size("key", spec.keySize, d.number(member));
  },
  key: (d, spec, member) => {
    spec.keyTypeId = d.typeOf(member);
    spec.keySize = d.size("key", spec.keySize, d.sizeOf(spec.keyTypeId));
  },
  value_size: (d, spec, member) => {
    spec.valueSize = d.size("value", spec.valueSize, d.number(member));
  },
  value: (d, spec, member) => {
    spec.valueTypeId = d.typeOf(member);
    spec.valueSize = d.size("value", spec.valueSize, d.sizeOf(spec.valueTypeId));
  },
  values: (d, spec, member) => {
    spec.innerMap = d.values(member);
    spec.valueSize = d.size("value", spec.valueSize, DESCRIPTOR_SIZE);
  },
  pinning: (d, spec, member) => {
    spec.pinning = d.pinning(member);
  },
  map_extra: (d, spec, member) => {
    spec.mapExtra = d.long(member);
  },
};

/** A Map, so that no name of a field finds what every object inherits. */
const FIELDS: ReadonlyMap<string, ReadField> = new Map(Object.entries(FIELD_READERS));
