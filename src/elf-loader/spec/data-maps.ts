/**
 * Data sections as maps: .data, .rodata and .bss, and those with a suffix, are array maps of one entry whose value is the
 * section. Source: bpf_object__init_global_data_maps and internal_map_name in libbpf's libbpf.c.
 */
import type { Btf } from "../btf/btf.ts";
import type { ElfFile, ElfSection } from "../elf/elf-file.ts";
import { ObjectError } from "../errors.ts";
import {
  BPF_F_MMAPABLE,
  BPF_F_RDONLY_PROG,
  BPF_MAP_TYPE_ARENA,
  BPF_MAP_TYPE_ARRAY,
  BPF_OBJ_NAME_LEN,
} from "../uapi/bpf.ts";
import { BTF_VAR_STATIC } from "../uapi/btf.ts";
import { SHT_NOBITS, SHT_PROGBITS } from "../uapi/elf.ts";
import { type ExternSpec, KCONFIG } from "./externs.ts";
import type { MapSpec } from "./types.ts";

interface DataKind {
  readonly name: string;
  /** SHT_*. */
  readonly type: number;
  /** Whether neither programs nor, once filled, user space may write. */
  readonly readOnly: boolean;
}

const KINDS: readonly DataKind[] = [
  { name: ".data", type: SHT_PROGBITS, readOnly: false },
  { name: ".rodata", type: SHT_PROGBITS, readOnly: true },
  { name: ".bss", type: SHT_NOBITS, readOnly: false },
];

const kindOf = (section: ElfSection): DataKind | undefined =>
  KINDS.find(({ name, type }) => type === section.type && `${section.name}.`.startsWith(`${name}.`));

/** The map of each data section that is not empty, by section index. */
export function readDataMaps(elf: ElfFile, btf: Btf | undefined): Map<number, MapSpec> {
  const maps = new Map<number, MapSpec>();
  for (const section of elf.sections) {
    const kind = section.size > 0 ? kindOf(section) : undefined;
    if (kind) maps.set(section.index, toMap(section, kind, btf));
  }
  return maps;
}

/** Variables of __attribute__((address_space(1))): libbpf copies them into the object's arena. */
export const ARENA_DATA = ".addr_space.1";

/** Gives the object's arena its variables. The index of their section; undefined where there are none. @throws ObjectError */
export function fillArena(elf: ElfFile, maps: readonly MapSpec[]): { section: number; map: string } | undefined {
  const section = elf.sections.find(({ name, size, type }) => name === ARENA_DATA && size > 0 && type === SHT_PROGBITS);
  if (!section) return undefined;
  const arena = maps.find(({ type }) => type === BPF_MAP_TYPE_ARENA);
  if (!arena)
    throw new ObjectError("Cannot use variables in an arena: the object has no map of type ARENA", ARENA_DATA, 0);
  arena.contents = contentsOf(section);
  return { section: section.index, map: arena.name };
}

/** The map of the kernel's configuration, where the object asks for any; zeros until it is loaded. */
export function readKconfigMap(externs: ReadonlyMap<string, ExternSpec>, btf: Btf | undefined): MapSpec[] {
  if (![...externs.values()].some(({ section }) => section === KCONFIG)) return [];
  const size = btf?.sizeOf(btf.section(KCONFIG)) ?? 0;
  return [toMap({ name: KCONFIG, size, data: new Uint8Array() }, { readOnly: true }, btf)];
}

type Content = Pick<ElfSection, "name" | "size" | "data">;

/** A section's bytes, to be changed; zeros where the file has none of them (SHT_NOBITS). */
function contentsOf({ size, data }: Content): Uint8Array {
  const contents = new Uint8Array(size);
  contents.set(data);
  return contents;
}

function toMap(section: Content, { readOnly }: Pick<DataKind, "readOnly">, btf: Btf | undefined): MapSpec {
  const contents = contentsOf(section);
  const valueTypeId = btf?.section(section.name) ?? 0;
  // A section of nothing but static variables is nobody's to map.
  const mapable = btf !== undefined && hasGlobal(btf, valueTypeId) ? BPF_F_MMAPABLE : 0;
  return {
    name: section.name,
    type: BPF_MAP_TYPE_ARRAY,
    keySize: 4,
    valueSize: section.size,
    maxEntries: 1,
    flags: (readOnly ? BPF_F_RDONLY_PROG : 0) | mapable,
    mapExtra: 0n,
    pinning: "none",
    keyTypeId: 0,
    valueTypeId,
    contents,
    frozen: readOnly,
    section: section.name,
  };
}

function hasGlobal(btf: Btf, id: number): boolean {
  const section = btf.type(id);
  if (section.kind !== "datasec") return false;
  return section.vars.some(({ type }) => {
    const variable = btf.type(type);
    return variable.kind === "var" && variable.linkage !== BTF_VAR_STATIC;
  });
}

/** Longest name in the kernel, without the NUL. */
const NAME_LENGTH = BPF_OBJ_NAME_LEN - 1;
/** `.rodata`, the longest of the three. */
const SUFFIX_LENGTH = 7;

/**
 * The name a map gets in the kernel, 15 bytes at most: its own, or for a data section the first 8 of the object's and
 * the section's, as `bpftool map` shows it of libbpf's. A name with a second dot (`.data.custom`) stands alone.
 */
export function kernelMapName(object: { readonly name: string }, map: MapSpec): string {
  if (map.section === undefined || map.section.includes(".", 1)) return sanitize(map.name);
  const room = NAME_LENGTH - Math.max(SUFFIX_LENGTH, map.section.length);
  return sanitize(`${object.name.slice(0, Math.max(0, room))}${map.section}`);
}

const sanitize = (name: string) => name.slice(0, NAME_LENGTH).replace(/[^A-Za-z0-9_.]/g, "_");
