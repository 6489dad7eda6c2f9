/**
 * ELF64 relocatable objects of either byte order: sections, symbols and REL relocations.
 * Format: System V ABI, "Object Files"; record layouts are those of linux/elf.h.
 */
import { Reader, StringTable } from "../bytes/reader.ts";
import { ObjectError } from "../errors.ts";
import {
  ELFCLASS64,
  ELFDATA2LSB,
  ELFDATA2MSB,
  EM_BPF,
  EM_NONE,
  ET_REL,
  EV_CURRENT,
  elf64_hdr,
  elf64_rel,
  elf64_shdr,
  elf64_sym,
  SHN_LORESERVE,
  SHN_UNDEF,
  SHT_NOBITS,
  SHT_NULL,
  SHT_REL,
  SHT_RELA,
  SHT_STRTAB,
  SHT_SYMTAB,
} from "../uapi/elf.ts";

/** Most bytes of zero-initialised sections taken together: they cost nothing in the file, and a file may not ask for more. */
export const MAX_NOBITS = 32 * 1024 * 1024;

export interface ElfSection {
  readonly index: number;
  readonly name: string;
  /** SHT_*. */
  readonly type: number;
  /** SHF_*, the low 32 bits. */
  readonly flags: number;
  /** Bytes, also of a section without bytes in the file (SHT_NOBITS). */
  readonly size: number;
  readonly link: number;
  readonly info: number;
  /** The bytes in the file; empty with SHT_NOBITS. */
  readonly data: Uint8Array;
}

export interface ElfSymbol {
  readonly index: number;
  readonly name: string;
  /** STT_*. */
  readonly type: number;
  /** STB_*. */
  readonly binding: number;
  /** STV_*. */
  readonly visibility: number;
  /** Index of its section, 0 when undefined, SHN_LORESERVE and above when special. */
  readonly section: number;
  /** Bytes from the start of its section. */
  readonly value: number;
  readonly size: number;
}

export interface ElfRelocation {
  /** Bytes from the start of the section it changes. */
  readonly offset: number;
  /** R_BPF_*. */
  readonly type: number;
  readonly symbol: ElfSymbol;
}

export interface ElfFile {
  readonly littleEndian: boolean;
  readonly sections: readonly ElfSection[];
  readonly symbols: readonly ElfSymbol[];
  /** Relocations, by the index of the section they change. */
  readonly relocations: Relocations;
}

type Fields = { readonly [field: string]: readonly [number, number] };
const at = (fields: Fields, field: string): number => fields[field]?.[0] ?? 0;

const HDR = elf64_hdr.fields;
const SHDR = elf64_shdr.fields;
const SYM = elf64_sym.fields;
const REL = elf64_rel.fields;

/** @throws ObjectError on anything that is not a well-formed ELF64 relocatable BPF object */
export function parseElf(bytes: Uint8Array): ElfFile {
  const littleEndian = checkIdent(bytes);
  const file = new Reader(bytes, "ELF header", littleEndian);
  checkHeader(file);
  const sections = readSections(file);
  const symbols = readSymbols(sections, littleEndian);
  return { littleEndian, sections, symbols, relocations: new Relocations(sections, symbols, littleEndian) };
}

/** e_ident. Returns whether the file is little-endian. @throws ObjectError where it is no ELF64 file */
export function checkIdent(bytes: Uint8Array): boolean {
  if (!MAGIC.every((byte, i) => bytes[i] === byte)) throw noObject("no ELF magic", 0);
  const file = new Reader(bytes, "ELF header", true);
  file.need(0, elf64_hdr.size, "ELF header");
  const [, , , , elfClass, order, version] = bytes;
  if (elfClass !== ELFCLASS64) throw file.error(`Cannot parse ELF header: class ${elfClass} is not 64-bit`, 4);
  if (order !== ELFDATA2LSB && order !== ELFDATA2MSB) {
    throw file.error(`Cannot parse ELF header: unknown byte order ${order}`, 5);
  }
  if (version !== EV_CURRENT) throw file.error(`Cannot parse ELF header: unknown version ${version}`, 6);
  return order === ELFDATA2LSB;
}

const MAGIC = [0x7f, 0x45, 0x4c, 0x46];

/** Most likely another file was meant. */
const noObject = (why: string, offset: number): ObjectError =>
  new ObjectError(`Cannot parse ELF header: ${why}`, "ELF header", offset, {
    likely: "it is no eBPF object",
    action: "name what clang has compiled with -target bpf",
  });

function checkHeader(file: Reader): void {
  const machine = file.u16(at(HDR, "e_machine"), "e_machine");
  if (machine !== EM_BPF && machine !== EM_NONE) throw noObject(`machine ${machine} is not BPF`, at(HDR, "e_machine"));
  const type = file.u16(at(HDR, "e_type"), "e_type");
  if (type !== ET_REL) throw noObject(`type ${type} is not relocatable`, at(HDR, "e_type"));
  const entry = file.u16(at(HDR, "e_shentsize"), "e_shentsize");
  if (entry !== elf64_shdr.size) {
    throw file.error(`Cannot parse ELF header: section headers of ${entry} bytes`, at(HDR, "e_shentsize"));
  }
}

interface RawSection {
  /** Byte offset of the header in the file, for errors. */
  readonly at: number;
  readonly nameOffset: number;
  readonly type: number;
  readonly flags: number;
  readonly offset: number;
  readonly size: number;
  readonly link: number;
  readonly info: number;
  readonly entrySize: number;
}

function readSections(file: Reader): ElfSection[] {
  const table = file.u64(at(HDR, "e_shoff"), "e_shoff");
  const raw = readHeaders(file, table);
  const names = sectionNames(file, raw);
  checkExtents(file, raw, table);
  return raw.map((header, index) => {
    // A section without a name is called by its number, so that errors can name it.
    const name =
      header.type === SHT_NULL ? "" : names.get(header.nameOffset, `name of section ${index}`) || `#${index}`;
    if (header.type === SHT_NULL) return { index, name, ...header, size: 0, data: new Uint8Array() };
    checkEntries(header, name);
    return { index, name, ...header, data: contents(file, header, `section ${name}`) };
  });
}

function readHeaders(file: Reader, table: number): RawSection[] {
  const count = file.u16(at(HDR, "e_shnum"), "e_shnum");
  const end = `0x${file.size.toString(16)}`;
  if (table + count * elf64_shdr.size > file.size) {
    const where = `section table at 0x${table.toString(16)} of ${count} headers`;
    throw file.error(`Cannot parse ELF header: ${where} lies beyond the end (${end})`, at(HDR, "e_shoff"));
  }
  return Array.from({ length: count }, (_, i) => readHeader(file, table + i * elf64_shdr.size));
}

function readHeader(file: Reader, base: number): RawSection {
  const u32 = (field: string) => file.u32(base + at(SHDR, field), field);
  const u64 = (field: string) => file.u64(base + at(SHDR, field), field);
  return {
    at: base,
    nameOffset: u32("sh_name"),
    type: u32("sh_type"),
    flags: u64("sh_flags") % 2 ** 32,
    offset: u64("sh_offset"),
    size: u64("sh_size"),
    link: u32("sh_link"),
    info: u32("sh_info"),
    entrySize: u64("sh_entsize"),
  };
}

function contents(file: Reader, header: RawSection, what: string): Uint8Array {
  if (header.type === SHT_NOBITS) return new Uint8Array();
  if (header.offset + header.size <= file.size) return file.slice(header.offset, header.size, what);
  const where = `${header.size} bytes at 0x${header.offset.toString(16)}`;
  const end = `0x${file.size.toString(16)}`;
  throw new ObjectError(`Cannot read ${what}: ${where} lie beyond the end (${end})`, "section headers", header.at);
}

function sectionNames(file: Reader, raw: readonly RawSection[]): StringTable {
  const index = file.u16(at(HDR, "e_shstrndx"), "e_shstrndx");
  const header = raw[index];
  if (header?.type !== SHT_STRTAB) {
    throw file.error(`Cannot parse ELF header: no string table at section ${index}`, at(HDR, "e_shstrndx"));
  }
  return new StringTable(new Reader(contents(file, header, "section names"), "section names", file.littleEndian));
}

/** Sections that share bytes would let a small file ask for much memory; no compiler writes them. */
function checkExtents(file: Reader, raw: readonly RawSection[], table: number): void {
  const present = raw.filter((header) => header.type !== SHT_NULL);
  const sum = (headers: readonly RawSection[]) => headers.reduce((bytes, header) => bytes + header.size, 0);
  const inFile = sum(present.filter((header) => header.type !== SHT_NOBITS));
  const zeros = sum(present.filter((header) => header.type === SHT_NOBITS));
  if (inFile > file.size) throw file.error(`Cannot parse section table: sections of ${inFile} bytes overlap`, table);
  if (zeros > MAX_NOBITS) {
    throw file.error(`Cannot take ${zeros} bytes of zero-initialised data: the limit is ${MAX_NOBITS}`, table);
  }
}

const ENTRY_SIZES: { readonly [type: number]: number } = { [SHT_SYMTAB]: elf64_sym.size, [SHT_REL]: elf64_rel.size };

function checkEntries(header: RawSection, name: string): void {
  const entry = ENTRY_SIZES[header.type];
  if (entry === undefined) return;
  if (header.entrySize !== entry || header.size % entry !== 0) {
    throw new ObjectError(
      `Cannot parse section ${name}: ${header.size} bytes of entries of ${header.entrySize}`,
      name,
      0,
    );
  }
}

function readSymbols(sections: readonly ElfSection[], littleEndian: boolean): ElfSymbol[] {
  const tables = sections.filter((section) => section.type === SHT_SYMTAB);
  const [table] = tables;
  if (!table) throw stripped();
  if (tables.length > 1) throw new ObjectError("Cannot use two symbol tables", tables[1]?.name ?? "", 0);
  const strings = sections[table.link];
  if (strings?.type !== SHT_STRTAB) {
    throw new ObjectError(
      `Cannot parse section ${table.name}: no string table at section ${table.link}`,
      table.name,
      0,
    );
  }
  const names = new StringTable(new Reader(strings.data, strings.name, littleEndian));
  const reader = new Reader(table.data, table.name, littleEndian);
  const count = table.size / elf64_sym.size;
  return Array.from({ length: count }, (_, index) => readSymbol(reader, names, index, sections));
}

/** Its bytes are all there, but programs and maps have no names, nor may they refer to anything. */
const stripped = (): ObjectError =>
  new ObjectError("Cannot find programs or maps: the object has no symbol table", "section headers", 0, {
    likely: "it was stripped",
    action: "compile it again; to make an object smaller, strip it by llvm-strip -g only",
  });

function readSymbol(table: Reader, names: StringTable, index: number, sections: readonly ElfSection[]): ElfSymbol {
  const base = index * elf64_sym.size;
  const info = table.u8(base + at(SYM, "st_info"), "st_info");
  const section = table.u16(base + at(SYM, "st_shndx"), "st_shndx");
  if (section !== SHN_UNDEF && section < SHN_LORESERVE && !sections[section]) {
    throw table.error(`Cannot use symbol ${index}: no section ${section}`, base);
  }
  return {
    index,
    name: names.get(table.u32(base + at(SYM, "st_name"), "st_name"), `name of symbol ${index}`),
    type: info & 0xf,
    binding: info >> 4,
    visibility: table.u8(base + at(SYM, "st_other"), "st_other") & 3,
    section,
    value: table.u64(base + at(SYM, "st_value"), "st_value"),
    size: table.u64(base + at(SYM, "st_size"), "st_size"),
  };
}

/** Read when asked for: debug information has by far the most, and nobody asks for those. */
export class Relocations {
  readonly #sections: ReadonlyMap<number, ElfSection>;
  readonly #symbols: readonly ElfSymbol[];
  readonly #littleEndian: boolean;
  readonly #read = new Map<number, readonly ElfRelocation[]>();

  constructor(sections: readonly ElfSection[], symbols: readonly ElfSymbol[], littleEndian: boolean) {
    this.#sections = relocationSections(sections);
    this.#symbols = symbols;
    this.#littleEndian = littleEndian;
  }

  /** Those of a section in order of offset, undefined where it has none. @throws ObjectError */
  get(section: number): readonly ElfRelocation[] | undefined {
    const known = this.#read.get(section);
    const table = known ? undefined : this.#sections.get(section);
    if (!table) return known;
    const relocations = readRelocationSection(table, this.#symbols, this.#littleEndian);
    this.#read.set(section, relocations);
    return relocations;
  }
}

/** By the section they change. */
function relocationSections(sections: readonly ElfSection[]): Map<number, ElfSection> {
  const found = new Map<number, ElfSection>();
  for (const section of sections) {
    if (section.type === SHT_RELA) throw new ObjectError(`Cannot use RELA section ${section.name}`, section.name, 0);
    if (section.type !== SHT_REL) continue;
    if (!sections[section.info] || found.has(section.info)) {
      throw new ObjectError(`Cannot use ${section.name}: it relocates section ${section.info}`, section.name, 0);
    }
    found.set(section.info, section);
  }
  return found;
}

function readRelocationSection(
  section: ElfSection,
  symbols: readonly ElfSymbol[],
  littleEndian: boolean,
): ElfRelocation[] {
  const reader = new Reader(section.data, section.name, littleEndian);
  const all = Array.from({ length: section.size / elf64_rel.size }, (_, i): ElfRelocation => {
    const base = i * elf64_rel.size;
    // r_info holds the symbol in its high half and the type in its low half.
    const [typeAt, symbolAt] = littleEndian ? [0, 4] : [4, 0];
    const index = reader.u32(base + at(REL, "r_info") + symbolAt, "r_info");
    const symbol = symbols[index];
    if (!symbol) throw reader.error(`Cannot use relocation ${i} of ${section.name}: no symbol ${index}`, base);
    const offset = reader.u64(base + at(REL, "r_offset"), "r_offset");
    return { offset, type: reader.u32(base + at(REL, "r_info") + typeAt, "r_info"), symbol };
  });
  return all.sort((a, b) => a.offset - b.offset);
}
