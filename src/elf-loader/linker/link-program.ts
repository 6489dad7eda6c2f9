/**
 * Links one program: its instructions, behind them each BPF function it reaches, then every reference filled in: calls,
 * function addresses, maps, data. Source: bpf_object__reloc_code and bpf_object__relocate_data in libbpf's libbpf.c;
 * relocation kinds in the kernel's Documentation/bpf/llvm_reloc.rst.
 */
import { CALL, INSN_SIZE, Instructions } from "../asm/instructions.ts";
import { firstRecord } from "../btf/ext.ts";
import { concat } from "../bytes/text.ts";
import { patchInstruction, poison } from "../core/patch.ts";
import type { CoreResolution, CoreResolutions } from "../core/relocate.ts";
import type { ElfRelocation } from "../elf/elf-file.ts";
import { R_BPF_64_32, R_BPF_64_64 } from "../elf/relocation-types.ts";
import { ObjectError } from "../errors.ts";
import { KCONFIG, KSYMS } from "../spec/externs.ts";
import { type BpfFunction, functionAt, mapKey } from "../spec/image.ts";
import { functionSince } from "../spec/kernel-functions.ts";
import type { ObjectSpec } from "../spec/object-spec.ts";
import { sourceLine } from "../spec/source-line.ts";
import type { LinkedProgram, SourceLine, Unresolved } from "../spec/types.ts";
import {
  BPF_PSEUDO_BTF_ID,
  BPF_PSEUDO_FUNC,
  BPF_PSEUDO_KFUNC_CALL,
  BPF_PSEUDO_MAP_FD,
  BPF_PSEUDO_MAP_VALUE,
} from "../uapi/bpf.ts";
import { SHN_UNDEF, STT_FUNC, STT_SECTION } from "../uapi/elf.ts";
import { exceptionCallback } from "./exception-callback.ts";
import { linkExtInfo, type PlacedFunction } from "./ext-info.ts";

/** Most functions in one program: BPF_MAX_SUBPROGS in include/linux/bpf_verifier.h. */
const MAX_FUNCTIONS = 256;

/** What only a running kernel knows; left out, a program that needs it cannot be linked. */
export interface KernelAnswers {
  /** What `relocate` gave. */
  readonly core?: CoreResolutions | undefined;
  /** Of the externs of `.ksyms`, by name; a weak function that is left out is poisoned, a weak variable is 0. */
  readonly symbols?: ReadonlyMap<string, SymbolAnswer> | undefined;
  /** Whether the kernel reads tags of BTF (5.16); true where nothing is said. */
  readonly knowsTags?: (() => boolean) | undefined;
  /** Where in the arena its variables begin, in bytes; 0 where nothing is said. */
  readonly arenaData?: number | undefined;
}

/** Where a symbol of the kernel is. */
export type SymbolAnswer =
  | { readonly address: bigint }
  | {
      /** In the BTF of the kernel or of a module. */
      readonly btfId: number;
      /** Descriptor of the module's BTF, 0 of the kernel's. */
      readonly btfFd: number;
      /** Index of that descriptor in `fd_array` of program load, 0 of the kernel. */
      readonly fdIndex: number;
    };

/**
 * @param program name of one of `spec.programs`
 * @param mapFd descriptor of a map by its name in `spec.maps`; asked once for each reference
 * @throws ObjectError when there is no such program, a reference leads nowhere, or it needs an answer that is not given
 */
export function linkProgram(
  spec: ObjectSpec,
  program: string,
  mapFd: (map: string) => number | undefined,
  answers: KernelAnswers = {},
): LinkedProgram {
  return new Linker(spec, mapFd, answers).link(findEntry(spec, program));
}

function findEntry(spec: ObjectSpec, program: string): BpfFunction {
  for (const functions of spec.image.functions.values()) {
    const found = functions.find(({ name, entry }) => entry && name === program);
    if (found) return found;
  }
  throw new ObjectError(`Cannot find program ${program}`, ".symtab", 0);
}

/** A function in the linked program, with its own copy of the instructions. */
interface Placed extends PlacedFunction {
  readonly code: Instructions;
}

class Linker {
  readonly #spec: ObjectSpec;
  readonly #mapFd: (map: string) => number | undefined;
  readonly #answers: KernelAnswers;
  readonly #placed: Placed[] = [];
  readonly #byFunction = new Map<BpfFunction, Placed>();
  readonly #usedMaps = new Set<string>();
  readonly #unresolved = new Map<number, Unresolved>();
  #size = 0;

  constructor(spec: ObjectSpec, mapFd: (map: string) => number | undefined, answers: KernelAnswers) {
    this.#spec = spec;
    this.#mapFd = mapFd;
    this.#answers = answers;
  }

  link(entry: BpfFunction): LinkedProgram {
    this.#place(entry);
    const callback = exceptionCallback(this.#spec, entry, this.#answers.knowsTags ?? (() => true));
    if (callback) this.#place(callback);
    const insns = concat(this.#placed.map(({ code }) => code.bytes));
    return {
      insns,
      insnCount: insns.length / INSN_SIZE,
      license: this.#spec.license,
      ...linkExtInfo(this.#spec, this.#placed),
      usedMaps: [...this.#usedMaps],
      sourceAt: (insn) => this.#sourceAt(insn),
      unresolved: this.#unresolved,
    };
  }

  #sourceAt(insn: number): SourceLine | undefined {
    const placed = this.#placed.findLast(({ at }) => at <= insn);
    if (!placed) return undefined;
    const { fn, at } = placed;
    return sourceLine(this.#spec, fn.section.name, fn.start + insn - at);
  }

  /** Appends a function and, depth first as libbpf does, each one it refers to; returns where it is. */
  #place(fn: BpfFunction): Placed {
    const known = this.#byFunction.get(fn);
    if (known) return known;
    if (this.#placed.length === MAX_FUNCTIONS)
      throw this.#error(fn, 0, `it reaches more than ${MAX_FUNCTIONS} functions`);
    const start = fn.start * INSN_SIZE;
    const bytes = fn.section.data.slice(start, start + fn.count * INSN_SIZE);
    const placed = { fn, at: this.#size, code: new Instructions(bytes, this.#spec.image.elf.littleEndian) };
    this.#placed.push(placed);
    this.#byFunction.set(fn, placed);
    this.#size += fn.count;
    this.#relocateTypes(placed);
    this.#relocate(placed);
    return placed;
  }

  /** CO-RE. What the kernel lacks fails only where the verifier gets there. */
  #relocateTypes({ fn, at, code }: Placed): void {
    const records = this.#spec.image.btfExt?.coreRelocations.get(fn.section.name);
    if (!records) return;
    const resolutions = this.#answers.core?.get(fn.section.name);
    const step = records.recordSize / 4;
    const end = (fn.start + fn.count) * INSN_SIZE;
    for (let i = firstRecord(records, fn.start * INSN_SIZE) * step; i < records.words.length; i += step) {
      const offset = records.words[i] as number;
      if (offset >= end) return;
      if (offset < fn.start * INSN_SIZE) throw this.#error(fn, 0, "its CO-RE relocations are not in order");
      const resolution = resolutions?.get(offset / INSN_SIZE);
      if (resolution) this.#relocateType(fn, at, code, offset / INSN_SIZE - fn.start, resolution);
      else throw this.#error(fn, offset / INSN_SIZE - fn.start, "its CO-RE relocation needs the types of a kernel");
    }
  }

  #relocateType(fn: BpfFunction, at: number, code: Instructions, i: number, resolution: CoreResolution): void {
    const patched = patchInstruction(code, i, resolution);
    if (typeof patched === "object") {
      throw this.#error(fn, i, `CO-RE relocation of the ${resolution.explain().what}: ${patched.why}`);
    }
    if (patched !== "poisoned") return;
    const { what, why, source } = resolution.explain();
    const reason = why || "the kernel's field has another size, and its value could be read wrongly";
    this.#unresolved.set(at + i, { fn: fn.name, what, why: reason, source });
  }

  #relocate(placed: Placed): void {
    const { fn, at, code } = placed;
    const relocations = this.#relocationsOf(fn);
    for (let i = 0; i < code.count; i++) {
      const relocation = relocations.get(i);
      const target = this.#functionReference(fn, code, i, relocation);
      if (target) code.setImm(i, this.#place(target).at - (at + i) - 1);
      else if (relocation && isExtern(relocation)) this.#relocateExtern(placed, i, relocation.symbol.name);
      else if (relocation) this.#relocateData(placed, i, relocation);
      if (code.isWide(i)) i++;
    }
  }

  /** Relocations of a function by the index of their instruction in it. */
  #relocationsOf(fn: BpfFunction): Map<number, ElfRelocation> {
    const all = this.#spec.image.elf.relocations.get(fn.section.index) ?? [];
    const end = (fn.start + fn.count) * INSN_SIZE;
    const own = new Map<number, ElfRelocation>();
    for (let i = lowerBound(all, fn.start * INSN_SIZE); i < all.length; i++) {
      const relocation = all[i] as ElfRelocation;
      if (relocation.offset >= end) break;
      const index = relocation.offset / INSN_SIZE - fn.start;
      if (!Number.isInteger(index) || own.has(index))
        throw this.#error(fn, index, "its relocation fits no instruction");
      own.set(index, relocation);
    }
    return own;
  }

  /** The function that an instruction calls or takes the address of, undefined when it does neither. */
  #functionReference(
    fn: BpfFunction,
    code: Instructions,
    i: number,
    relocation?: ElfRelocation,
  ): BpfFunction | undefined {
    if (relocation && isExtern(relocation)) return undefined;
    if (code.isCall(i)) {
      // Within a section a call is relative to the next instruction. With a relocation the immediate is -1 for a symbol
      // of its own, and the target's index less one for a section symbol: one formula for both.
      if (!relocation) return this.#functionAt(fn, i, fn.section.index, fn.start + i + code.imm(i) + 1);
      this.#checkRelocation(fn, i, relocation, R_BPF_64_32);
      const { section, value } = relocation.symbol;
      return this.#functionAt(fn, i, section, value / INSN_SIZE + code.imm(i) + 1);
    }
    if (code.isFunctionAddress(i) && !relocation) throw this.#error(fn, i, "a function's address has no relocation");
    if (!relocation || !this.#isFunction(relocation) || !code.isWide(i)) return undefined;
    this.#checkRelocation(fn, i, relocation, R_BPF_64_64);
    code.setSrc(i, BPF_PSEUDO_FUNC);
    // Of an address the immediate counts bytes from the symbol.
    const { section, value } = relocation.symbol;
    return this.#functionAt(fn, i, section, (value + code.imm(i)) / INSN_SIZE);
  }

  #isFunction({ symbol }: ElfRelocation): boolean {
    return (symbol.type === STT_FUNC || symbol.type === STT_SECTION) && this.#spec.image.functions.has(symbol.section);
  }

  #functionAt(fn: BpfFunction, i: number, section: number, start: number): BpfFunction {
    const found = functionAt(this.#spec.image, section, start);
    const name = this.#spec.image.elf.sections[section]?.name;
    if (!found) throw this.#error(fn, i, `no function begins at instruction ${start} of ${name}`);
    return found;
  }

  #checkRelocation(fn: BpfFunction, i: number, { type }: ElfRelocation, wanted: number): void {
    if (type !== wanted) throw this.#error(fn, i, `relocation type ${type} does not fit the instruction`);
  }

  #relocateExtern(placed: Placed, i: number, name: string): void {
    const { fn, code } = placed;
    const extern = this.#spec.externs.get(name);
    const answers = this.#answers.symbols;
    if (extern?.section === KCONFIG && code.isWide(i) && i + 1 < code.count) {
      this.#relocateMap(placed, i, KCONFIG, extern.offset);
    } else if (extern?.section === KSYMS && answers && (code.isWide(i) ? i + 1 < code.count : code.isCall(i))) {
      const answer = answers.get(name);
      if (!answer && !extern.weak) throw this.#error(fn, i, `extern ${name} is not known`);
      if (code.isCall(i)) this.#relocateKernelCall(placed, i, name, answer);
      else this.#relocateSymbol(code, i, answer ?? { address: 0n });
    } else {
      throw this.#error(
        fn,
        i,
        extern?.section ? `extern ${name} needs a kernel` : `extern ${name || "without a name"} is nowhere defined`,
      );
    }
  }

  /** A kernel function; one that is not there fails only where the verifier gets there. */
  #relocateKernelCall(placed: Placed, i: number, name: string, answer: SymbolAnswer | undefined): void {
    if (answer && "btfId" in answer) {
      placed.code.set(i, CALL, 0, BPF_PSEUDO_KFUNC_CALL, answer.fdIndex, answer.btfId);
      return;
    }
    if (answer) throw this.#error(placed.fn, i, `extern ${name} has no type to be called by`);
    const since = functionSince(name);
    const why = "neither the kernel nor a loaded module has it, or it is of another type";
    this.#leaveOut(placed, i, `kernel function ${name}`, since ? `${why}; it came with kernel ${since}` : why);
  }

  /** What is not there fails where the verifier gets there. */
  #leaveOut({ fn, at, code }: Placed, i: number, what: string, why: string): void {
    poison(code, i);
    const source = sourceLine(this.#spec, fn.section.name, fn.start + i)?.where;
    this.#unresolved.set(at + i, { fn: fn.name, what, why, source });
  }

  #relocateSymbol(code: Instructions, i: number, answer: SymbolAnswer): void {
    if ("btfId" in answer) {
      this.#setAddress(code, i, BPF_PSEUDO_BTF_ID, answer.btfId, answer.btfFd);
    } else {
      const [low, high] = [BigInt.asIntN(32, answer.address), BigInt.asIntN(32, answer.address >> 32n)];
      this.#setAddress(code, i, 0, Number(low), Number(high));
    }
  }

  /** A 64-bit load: what its source register says it is, and the two immediates. */
  #setAddress(code: Instructions, i: number, kind: number, first: number, second: number): void {
    code.setSrc(i, kind);
    code.setImm(i, first);
    code.setImm(i + 1, second);
  }

  /** A map's descriptor, or an address in a data section as descriptor and offset. */
  #relocateData(placed: Placed, i: number, relocation: ElfRelocation): void {
    const { fn, code } = placed;
    this.#checkRelocation(fn, i, relocation, R_BPF_64_64);
    if (!code.isWide(i) || i + 1 >= code.count) throw this.#error(fn, i, "its relocation is on no 64-bit load");
    const { symbol } = relocation;
    const offset = symbol.value + code.imm(i);
    const map = this.#spec.image.mapsAt.get(mapKey(symbol.section, offset));
    const { dataMaps, arena } = this.#spec.image;
    const data = dataMaps.get(symbol.section);
    if (map !== undefined) {
      this.#relocateMap(placed, i, map);
    } else if (data !== undefined) {
      this.#checkOffset(fn, i, symbol.section, offset);
      this.#relocateMap(placed, i, data, offset);
    } else if (arena?.section === symbol.section) {
      this.#checkOffset(fn, i, symbol.section, offset);
      this.#relocateMap(placed, i, arena.map, (this.#answers.arenaData ?? 0) + offset);
    } else {
      const section = this.#spec.image.elf.sections[symbol.section]?.name;
      const { name } = symbol;
      if (section === undefined) throw this.#error(fn, i, `${name} is in no section of the object: give it a value`);
      throw this.#error(fn, i, `nothing to refer to at ${section}+${offset}${name && ` (${name})`}`);
    }
  }

  #checkOffset(fn: BpfFunction, i: number, section: number, offset: number): void {
    const { name = "", size = 0 } = this.#spec.image.elf.sections[section] ?? {};
    if (offset < 0 || offset > size) throw this.#error(fn, i, `${name}+${offset} lies outside the section`);
  }

  /** The map, or with `offset` the address of its value. */
  #relocateMap(placed: Placed, i: number, map: string, offset?: number): void {
    this.#usedMaps.add(map);
    const fd = this.#mapFd(map);
    if (fd === undefined) this.#leaveOut(placed, i, `map ${map}`, "it is not made (autocreate)");
    else if (offset !== undefined) this.#setAddress(placed.code, i, BPF_PSEUDO_MAP_VALUE, fd, offset);
    else {
      placed.code.setSrc(i, BPF_PSEUDO_MAP_FD);
      placed.code.setImm(i, fd);
    }
  }

  #error(fn: BpfFunction, i: number, why: string): ObjectError {
    const offset = (fn.start + i) * INSN_SIZE;
    return new ObjectError(`Cannot link function ${fn.name}: ${why}`, fn.section.name, offset);
  }
}

const isExtern = ({ symbol }: ElfRelocation): boolean => symbol.section === SHN_UNDEF;

/** Index of the first relocation at or behind an offset. */
function lowerBound(relocations: readonly ElfRelocation[], offset: number): number {
  let low = 0;
  let high = relocations.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((relocations[middle] as ElfRelocation).offset < offset) low = middle + 1;
    else high = middle;
  }
  return low;
}
