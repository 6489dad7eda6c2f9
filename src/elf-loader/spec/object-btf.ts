/**
 * What clang leaves open in an object's BTF and the kernel wants filled in: sizes of data sections, offsets of variables,
 * and the linkage of hidden functions. Source: btf_fixup_datasec and bpf_object__load_btf in libbpf's libbpf.c.
 */
import { Btf } from "../btf/btf.ts";
import { TYPE_WORDS } from "../btf/records.ts";
import type { BtfDatasec } from "../btf/types.ts";
import type { ElfFile, ElfSection, ElfSymbol } from "../elf/elf-file.ts";
import { BTF_FUNC_GLOBAL, BTF_FUNC_STATIC, BTF_VAR_GLOBAL_EXTERN, BTF_VAR_STATIC } from "../uapi/btf.ts";
import { SHN_UNDEF, STB_LOCAL, STT_FUNC } from "../uapi/elf.ts";
import { KCONFIG, KSYMS } from "./externs.ts";

/** STV_HIDDEN and STV_INTERNAL: System V ABI, "Symbol Table". */
const HIDDEN_VISIBILITIES: ReadonlySet<number> = new Set([1, 2]);

/** Sections of externs exist in BTF only. */
const EXTERNS: ReadonlySet<string> = new Set([KCONFIG, KSYMS]);

/** Words of struct btf_var_secinfo: type, offset, size. */
const SECINFO_WORDS = 3;

/** Parses and completes the BTF of an object, undefined when it has none. @throws ObjectError */
export function readObjectBtf(elf: ElfFile): Btf | undefined {
  const section = elf.sections.find(({ name, size }) => name === ".BTF" && size > 0);
  if (!section) return undefined;
  const btf = Btf.parse(section.data).copy();
  const symbols = globalSymbols(elf);
  const sections = new Map(elf.sections.filter(({ size }) => size > 0).map((found) => [found.name, found]));
  for (const id of btf.idsOf("datasec")) completeSection(btf, id, sections, symbols);
  for (const id of btf.idsOf("func")) hideFunction(btf, id, symbols);
  return btf;
}

type Named<T> = ReadonlyMap<string, T>;

function globalSymbols(elf: ElfFile): Map<string, ElfSymbol> {
  const defined = elf.symbols.filter(({ binding, section }) => binding !== STB_LOCAL && section !== SHN_UNDEF);
  return new Map(defined.map((symbol) => [symbol.name, symbol]));
}

function completeSection(btf: Btf, id: number, sections: Named<ElfSection>, symbols: Named<ElfSymbol>): void {
  const type = btf.type(id) as BtfDatasec;
  const section = sections.get(type.name);
  if (!section) {
    if (EXTERNS.has(type.name)) return;
    if (type.size === 0) throw btf.error(`Cannot find section ${type.name}, which BTF has variables of`, id);
    // A linker has written where they are; sections may have been renamed since.
    for (const { type: variable } of type.vars) completeVariable(btf, id, variable, symbols);
    return;
  }
  if (type.size === 0) btf.patch(id, 2, section.size);
  const vars = type.vars.map((entry) => {
    const offset = completeVariable(btf, id, entry.type, symbols);
    return { ...entry, offset: type.size === 0 ? (offset ?? entry.offset) : entry.offset };
  });
  vars.sort((a, b) => a.offset - b.offset);
  for (const [i, entry] of vars.entries()) {
    const at = TYPE_WORDS + i * SECINFO_WORDS;
    btf.patch(id, at, entry.type);
    btf.patch(id, at + 1, entry.offset);
    btf.patch(id, at + 2, entry.size);
    if (entry.offset + entry.size > section.size) {
      throw btf.error(`Cannot use variable ${btf.nameOf(entry.type)}: it lies beyond section ${section.name}`, id);
    }
  }
}

/** The offset of a global variable from its symbol; of a static one clang has written it. Hidden ones become static. */
function completeVariable(btf: Btf, id: number, variable: number, symbols: Named<ElfSymbol>): number | undefined {
  const type = btf.type(variable);
  if (type.kind !== "var") throw btf.error(`Cannot use type ${variable} as a variable`, id);
  if (type.linkage === BTF_VAR_STATIC || type.linkage === BTF_VAR_GLOBAL_EXTERN) return undefined;
  const symbol = symbols.get(type.name);
  if (!symbol) throw btf.error(`Cannot find the symbol of variable ${type.name}`, variable);
  if (HIDDEN_VISIBILITIES.has(symbol.visibility)) btf.patch(variable, TYPE_WORDS, BTF_VAR_STATIC);
  return symbol.value;
}

/** The verifier checks a global function by its types alone; a hidden one it may check with its callers. */
function hideFunction(btf: Btf, id: number, symbols: Named<ElfSymbol>): void {
  const type = btf.type(id);
  if (type.kind !== "func" || type.linkage !== BTF_FUNC_GLOBAL) return;
  const symbol = symbols.get(type.name);
  if (symbol?.type !== STT_FUNC || !HIDDEN_VISIBILITIES.has(symbol.visibility)) return;
  btf.setCount(id, BTF_FUNC_STATIC);
}
