/**
 * Executables and shared libraries: where their functions and static markers are in the file. Source: the System V ABI
 * (gABI) for sections, segments, symbols and notes; the Linux Standard Base for symbol versions.
 */
import { Reader } from "../bytes/reader.ts";
import { bytesToString } from "../bytes/text.ts";
import { ObjectError } from "../errors.ts";
import {
  EI_CLASS,
  EI_DATA,
  ELFCLASS64,
  ELFDATA2LSB,
  elf64_hdr,
  elf64_note,
  elf64_phdr,
  elf64_shdr,
  elf64_sym,
  PF_X,
  PT_LOAD,
  SHN_UNDEF,
  SHT_DYNSYM,
  SHT_NOTE,
  SHT_SYMTAB,
  STB_GLOBAL,
  STB_WEAK,
  STT_FUNC,
} from "../uapi/elf.ts";
import type { Layout } from "../uapi/layout.ts";

/** A function's symbol. */
export interface FunctionSymbol {
  readonly name: string;
  /** Its version, "" where it has none: `GLIBC_2.34`. */
  readonly version: string;
  /** Whether it is the version that is meant where none is asked for. */
  readonly isDefault: boolean;
  /** Byte offset in the file, which is what uprobes are attached to. */
  readonly offset: number;
  /** 2 global, 1 weak, 0 local. */
  readonly rank: number;
}

export interface ElfNote {
  readonly name: string;
  readonly type: number;
  readonly content: Uint8Array;
}

interface Section {
  readonly name: string;
  readonly type: number;
  readonly address: number;
  readonly offset: number;
  readonly size: number;
  readonly link: number;
}

interface Segment {
  readonly address: number;
  readonly offset: number;
  readonly size: number;
  readonly executable: boolean;
}

/** Bits of a symbol's entry in .gnu.version. */
const VERSION_HIDDEN = 0x8000;
const VERSION_INDEX = 0x7fff;
/** struct Elf64_Verdef and Elf64_Verdaux: vd_ndx, vd_aux and vd_next; vda_name. */
const VERDEF = { index: 4, aux: 12, next: 16 };
const VERDAUX_NAME = 0;

const LONGEST_NAME = 4096;

const RANKS: { readonly [binding: number]: number } = { [STB_GLOBAL]: 2, [STB_WEAK]: 1 };

export class Executable {
  /** ET_EXEC, which is never moved, or ET_DYN. */
  readonly type: number;
  /** EM_*. */
  readonly machine: number;
  readonly #file: Reader;
  readonly #sections: readonly Section[];
  readonly #segments: readonly Segment[];

  private constructor(file: Reader) {
    this.#file = file;
    this.type = this.#field(elf64_hdr, 0, "e_type");
    this.machine = this.#field(elf64_hdr, 0, "e_machine");
    this.#segments = this.#readSegments();
    this.#sections = this.#readSections();
  }

  /** Takes a whole file; the bytes are not copied. @throws ObjectError where it is no little-endian 64-bit ELF file */
  static parse(bytes: Uint8Array, name: string): Executable {
    const magic = [0x7f, 0x45, 0x4c, 0x46];
    if (!magic.every((byte, i) => bytes[i] === byte)) throw new ObjectError(`Cannot use ${name}: no ELF file`, name, 0);
    if (bytes[EI_CLASS] !== ELFCLASS64 || bytes[EI_DATA] !== ELFDATA2LSB)
      throw new ObjectError(`Cannot use ${name}: not of 64 bits, little-endian`, name, EI_CLASS);
    return new Executable(new Reader(bytes, name, true));
  }

  #field(layout: Layout, at: number, name: string): number {
    const [offset, size] = layout.fields[name] as readonly [number, number];
    const what = `${layout.name}.${name}`;
    if (size === 8) return this.#file.u64(at + offset, what);
    if (size === 4) return this.#file.u32(at + offset, what);
    return size === 2 ? this.#file.u16(at + offset, what) : this.#file.u8(at + offset, what);
  }

  /** A NUL-terminated name; "" for one that is longer than anybody writes, as templates of C++ have them. */
  #name(offset: number, what: string): string {
    this.#file.need(offset, 1, what);
    const end = this.#file.bytes.indexOf(0, offset);
    if (end < 0) throw this.#file.error(`Cannot read ${what}: it has no end`, offset);
    return end - offset > LONGEST_NAME ? "" : bytesToString(this.#file.bytes, offset, end);
  }

  #readSegments(): Segment[] {
    const start = this.#field(elf64_hdr, 0, "e_phoff");
    const segments = Array.from({ length: this.#field(elf64_hdr, 0, "e_phnum") }, (_, i) => {
      const field = (name: string) => this.#field(elf64_phdr, start + i * elf64_phdr.size, name);
      return {
        type: field("p_type"),
        address: field("p_vaddr"),
        offset: field("p_offset"),
        size: field("p_memsz"),
        executable: (field("p_flags") & PF_X) !== 0,
      };
    });
    return segments.filter(({ type }) => type === PT_LOAD);
  }

  #readSections(): Section[] {
    const start = this.#field(elf64_hdr, 0, "e_shoff");
    const count = this.#field(elf64_hdr, 0, "e_shnum");
    const at = (index: number, name: string) => this.#field(elf64_shdr, start + index * elf64_shdr.size, name);
    const names = count === 0 ? 0 : at(this.#field(elf64_hdr, 0, "e_shstrndx"), "sh_offset");
    return Array.from({ length: count }, (_, i) => ({
      name: this.#name(names + at(i, "sh_name"), "a section's name"),
      type: at(i, "sh_type"),
      address: at(i, "sh_addr"),
      offset: at(i, "sh_offset"),
      size: at(i, "sh_size"),
      link: at(i, "sh_link"),
    }));
  }

  /** Where in the file an address is that the file is loaded to; undefined where no segment has it. */
  fileOffset(address: number, executable: boolean): number | undefined {
    const segment = this.#segments.find(
      (one) => one.executable === executable && address >= one.address && address < one.address + one.size,
    );
    return segment && address - segment.address + segment.offset;
  }

  /** The address of a section; undefined where there is none of that name. */
  addressOf(section: string): number | undefined {
    return this.#sections.find(({ name }) => name === section)?.address;
  }

  /** Every function that is defined here, by both symbol tables; one may come twice. */
  *functions(): Generator<FunctionSymbol> {
    for (const section of this.#sections) {
      if (section.type === SHT_DYNSYM) yield* this.#symbols(section, this.#versions());
      if (section.type === SHT_SYMTAB) yield* this.#symbols(section, undefined);
    }
  }

  *#symbols(table: Section, versions: SymbolVersions | undefined): Generator<FunctionSymbol> {
    const strings = this.#sections[table.link]?.offset ?? 0;
    for (let index = 0; (index + 1) * elf64_sym.size <= table.size; index++) {
      const field = (name: string) => this.#field(elf64_sym, table.offset + index * elf64_sym.size, name);
      const info = field("st_info");
      if ((info & 0xf) !== STT_FUNC || field("st_shndx") === SHN_UNDEF) continue;
      const offset = this.fileOffset(field("st_value"), true);
      if (offset === undefined) continue;
      const full = this.#name(strings + field("st_name"), "a symbol's name");
      // Tables for debuggers have the version behind the name.
      const [name = full, written] = full.split(/@@?/, 2);
      const { version = written ?? "", hidden = full !== name && !full.includes("@@") } = versions?.of(index) ?? {};
      yield { name, version, isDefault: !hidden, offset, rank: RANKS[info >> 4] ?? 0 };
    }
  }

  #versions(): SymbolVersions | undefined {
    const find = (wanted: string) => this.#sections.find(({ name }) => name === wanted);
    const [indices, definitions] = [find(".gnu.version"), find(".gnu.version_d")];
    if (!indices || !definitions) return undefined;
    const names = this.#versionNames(definitions);
    return {
      of: (symbol) => {
        const entry = this.#file.u16(indices.offset + symbol * 2, "a symbol's version");
        return { version: names.get(entry & VERSION_INDEX), hidden: (entry & VERSION_HIDDEN) !== 0 };
      },
    };
  }

  #versionNames(definitions: Section): Map<number, string> {
    const strings = this.#sections[definitions.link]?.offset ?? 0;
    const names = new Map<number, string>();
    for (let at = definitions.offset, next = 1; next !== 0; at += next) {
      const index = this.#file.u16(at + VERDEF.index, "a version's index");
      const aux = at + this.#file.u32(at + VERDEF.aux, "a version's names");
      names.set(index, this.#name(strings + this.#file.u32(aux + VERDAUX_NAME, "a version's name"), "a version"));
      next = this.#file.u32(at + VERDEF.next, "the next version");
    }
    return names;
  }

  /** The notes of the section of a name. */
  *notes(section: string): Generator<ElfNote> {
    const found = this.#sections.find(({ name, type }) => name === section && type === SHT_NOTE);
    for (let at = found?.offset ?? 0, end = at + (found?.size ?? 0); at + elf64_note.size <= end; ) {
      const [nameSize, size] = [this.#field(elf64_note, at, "n_namesz"), this.#field(elf64_note, at, "n_descsz")];
      const content = at + elf64_note.size + padded(nameSize);
      yield {
        name: this.#name(at + elf64_note.size, "a note's name"),
        type: this.#field(elf64_note, at, "n_type"),
        content: this.#file.slice(content, size, "a note"),
      };
      at = content + padded(size);
    }
  }
}

interface SymbolVersions {
  of(symbol: number): { readonly version: string | undefined; readonly hidden: boolean };
}

const padded = (size: number): number => Math.ceil(size / 4) * 4;

/**
 * The places that a name means: `function`, or `function@VERSION`. Where symbols of several places have it, the default
 * version counts more than others, global more than weak and local; what is left over is more than one where it is unclear.
 */
export function functionOffsets(executable: Executable, wanted: string): number[] {
  const [name = wanted, version] = wanted.split(/@@?/, 2);
  const all = [...executable.functions()].filter((one) => one.name === name);
  const named = version === undefined ? all : all.filter((one) => one.version === version);
  const current =
    version === undefined && named.some((one) => one.isDefault) ? named.filter((one) => one.isDefault) : named;
  const rank = Math.max(...current.map((one) => one.rank));
  return [...new Set(current.filter((one) => one.rank === rank).map(({ offset }) => offset))];
}
