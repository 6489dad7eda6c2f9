/** What the linker needs of the object's bytes. Never changed once parsed, so that copies of a spec share it. */
import { INSN_SIZE } from "../asm/instructions.ts";
import type { BtfExt } from "../btf/ext.ts";
import type { ElfFile, ElfSection, ElfSymbol } from "../elf/elf-file.ts";
import { ObjectError } from "../errors.ts";
import { elf64_sym, SHF_EXECINSTR, SHT_PROGBITS, STB_LOCAL, STT_FUNC } from "../uapi/elf.ts";

/** One BPF function of the object. */
export interface BpfFunction {
  readonly name: string;
  readonly section: ElfSection;
  /** Index of its first instruction in the section. */
  readonly start: number;
  /** Number of instructions. */
  readonly count: number;
  /** Whether it may be a program of its own: not static and not in .text. */
  readonly entry: boolean;
  readonly symbol: ElfSymbol;
}

export interface ObjectImage {
  readonly elf: ElfFile;
  readonly btfExt?: BtfExt | undefined;
  /** Functions of each executable section in order of their start, by section index. */
  readonly functions: ReadonlyMap<number, readonly BpfFunction[]>;
  /** The same by section name; of sections of one name the first, which is what .BTF.ext means. */
  readonly functionsOf: ReadonlyMap<string, readonly BpfFunction[]>;
  /** Names of the maps in .maps, by section index and byte offset: see `mapKey`. */
  readonly mapsAt: ReadonlyMap<string, string>;
  /** Names of the maps that hold data sections, by section index. */
  readonly dataMaps: ReadonlyMap<number, string>;
  /** The section of the variables in an arena, and the name of its map. */
  readonly arena: { readonly section: number; readonly map: string } | undefined;
}

export const mapKey = (section: number, offset: number): string => `${section}+${offset}`;

const isCode = (section: ElfSection) =>
  section.type === SHT_PROGBITS && (section.flags & SHF_EXECINSTR) !== 0 && section.size > 0;

/** The functions of every executable section. @throws ObjectError when they are cut off or overlap */
export function collectFunctions(elf: ElfFile): Map<number, BpfFunction[]> {
  const found = new Map<number, BpfFunction[]>();
  for (const section of elf.sections.filter(isCode)) {
    if (section.size % INSN_SIZE !== 0) {
      throw new ObjectError(
        `Cannot use section ${section.name}: ${section.size} bytes of instructions`,
        section.name,
        0,
      );
    }
    found.set(section.index, []);
  }
  for (const symbol of elf.symbols) {
    const section = elf.sections[symbol.section];
    const list = symbol.type === STT_FUNC ? found.get(symbol.section) : undefined;
    if (list && section) list.push(toFunction(symbol, section));
  }
  for (const list of found.values()) checkOrder(list.sort((a, b) => a.start - b.start));
  return found;
}

function toFunction(symbol: ElfSymbol, section: ElfSection): BpfFunction {
  const { name, value, size } = symbol;
  if (size === 0 || size % INSN_SIZE !== 0 || value % INSN_SIZE !== 0 || value + size > section.size) {
    const where = `${size} bytes at ${section.name}+0x${value.toString(16)}`;
    throw new ObjectError(`Cannot use function ${name}: ${where}`, ".symtab", symbol.index * elf64_sym.size);
  }
  if (name === "")
    throw new ObjectError("Cannot use a function without a name", ".symtab", symbol.index * elf64_sym.size);
  const entry = symbol.binding !== STB_LOCAL && section.name !== ".text";
  return { name, section, start: value / INSN_SIZE, count: size / INSN_SIZE, entry, symbol };
}

function checkOrder(list: readonly BpfFunction[]): void {
  for (const [i, next] of list.entries()) {
    const before = list[i - 1];
    if (!before || before.start + before.count <= next.start) continue;
    const where = next.start * INSN_SIZE;
    throw new ObjectError(`Cannot use function ${next.name}: it overlaps ${before.name}`, next.section.name, where);
  }
}

/** The function that begins at an instruction of a section. */
export function functionAt(image: ObjectImage, section: number, start: number): BpfFunction | undefined {
  const found = lastUpTo(image.functions.get(section) ?? [], start);
  return found?.start === start ? found : undefined;
}

/** The function that an instruction of a section belongs to. */
export function functionCovering(image: ObjectImage, section: string, insn: number): BpfFunction | undefined {
  const found = lastUpTo(image.functionsOf.get(section) ?? [], insn);
  return found && insn < found.start + found.count ? found : undefined;
}

/** The last function that begins at an instruction or before it. */
function lastUpTo(list: readonly BpfFunction[], insn: number): BpfFunction | undefined {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((list[middle] as BpfFunction).start <= insn) low = middle + 1;
    else high = middle;
  }
  return list[low - 1];
}
