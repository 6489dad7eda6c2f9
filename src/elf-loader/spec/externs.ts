/**
 * Externs: what an object leaves to the kernel. `.kconfig` variables are values of the kernel's configuration, together
 * one read-only data map; `.ksyms` are variables and functions of the kernel or of a module.
 * Source: bpf_object__collect_externs in libbpf's libbpf.c.
 */
import type { Btf } from "../btf/btf.ts";
import { BtfBuilder } from "../btf/builder.ts";
import { TYPE_WORDS } from "../btf/records.ts";
import type { BtfDatasec, BtfFunc, BtfFuncProto, BtfType, BtfVar } from "../btf/types.ts";
import type { ElfFile } from "../elf/elf-file.ts";
import {
  BTF_FUNC_EXTERN,
  BTF_FUNC_GLOBAL,
  BTF_INT_SIGNED,
  BTF_VAR_GLOBAL_ALLOCATED,
  BTF_VAR_GLOBAL_EXTERN,
} from "../uapi/btf.ts";
import { SHN_UNDEF, STB_LOCAL, STB_WEAK, STT_NOTYPE } from "../uapi/elf.ts";

export const KCONFIG = ".kconfig";
export const KSYMS = ".ksyms";

export interface ExternSpec {
  readonly name: string;
  /** `.kconfig`, `.ksyms`; empty where the object does not say what it is. */
  readonly section: string;
  /** Whether it may be missing. */
  readonly weak: boolean;
  readonly kind: "variable" | "function";
  /** BTF id of its type, of a function its func_proto, resolved; 0 of a variable without a type: only its address. */
  readonly type: number;
  /** In `.kconfig`: bytes from the start of the map. */
  readonly offset: number;
}

/** Words of struct btf_var_secinfo. */
const SECINFO_WORDS = 3;
/** In BTF for the kernel each `.ksyms` extern is an int. */
const KSYM_SIZE = 4;

/** Externs by name, and BTF in which their sections are as the kernel takes them. @throws ObjectError */
export function readExterns(elf: ElfFile, original: Btf | undefined): { externs: Map<string, ExternSpec>; btf?: Btf } {
  const externs = new Map<string, ExternSpec>();
  const described = original && describedExterns(original);
  for (const { name, binding, section, type } of elf.symbols) {
    if (section !== SHN_UNDEF || binding === STB_LOCAL || type !== STT_NOTYPE || name === "") continue;
    const found = described?.get(name) ?? { section: "", kind: "function" as const, type: 0 };
    externs.set(name, { ...found, name, weak: binding === STB_WEAK, offset: 0 });
  }
  if (!original) return { externs };
  placeKconfig(original, externs);
  return { externs, btf: allocate(original, externs) };
}

type Described = Pick<ExternSpec, "section" | "kind" | "type">;

/** What BTF says of externs: the entries of its data sections that are defined nowhere. */
function describedExterns(btf: Btf): Map<string, Described> {
  const found = new Map<string, Described>();
  for (const id of btf.idsOf("datasec")) {
    const section = btf.type(id) as BtfDatasec;
    for (const entry of section.vars) {
      const type = btf.type(entry.type);
      if (!isExtern(type)) continue;
      const kind = type.kind === "var" ? "variable" : "function";
      found.set(type.name, { section: section.name, kind, type: btf.resolve(type.type) });
    }
  }
  return found;
}

function isExtern(type: BtfType): type is BtfVar | BtfFunc {
  if (type.kind === "var") return type.linkage === BTF_VAR_GLOBAL_EXTERN;
  return type.kind === "func" && type.linkage === BTF_FUNC_EXTERN;
}

/** Gives each variable of `.kconfig` its place: the most aligned first, then the smallest, then by name. */
function placeKconfig(btf: Btf, externs: Map<string, ExternSpec>): void {
  const variables = [...externs.values()]
    .filter(({ section }) => section === KCONFIG)
    .map((extern) => ({ extern, size: btf.sizeOf(extern.type), align: alignOf(btf, extern.type) }));
  variables.sort((a, b) => b.align - a.align || a.size - b.size || (a.extern.name < b.extern.name ? -1 : 1));
  let end = 0;
  for (const { extern, size, align } of variables) {
    const offset = Math.ceil(end / align) * align;
    externs.set(extern.name, { ...extern, offset });
    end = offset + size;
    if (end > MOST_KCONFIG)
      throw btf.error(`Cannot use extern ${extern.name}: ${size} bytes of ${KCONFIG}`, extern.type);
  }
}

/** Bytes: a configuration is numbers and short texts, and room for all of it is made before any is known. */
const MOST_KCONFIG = 1 << 20;

/** Bytes; what is no number is refused when its value is set. */
function alignOf(btf: Btf, id: number): number {
  const type = btf.resolved(id);
  if (type.kind === "array") return alignOf(btf, type.type);
  return "size" in type ? Math.min(Math.max(type.size, 1), 8) : 8;
}

/** The data sections of externs with variables in them that the kernel takes for allocated. */
function allocate(original: Btf, externs: ReadonlyMap<string, ExternSpec>): Btf | undefined {
  const [ksyms, kconfig] = [original.section(KSYMS), original.section(KCONFIG)];
  if (ksyms === 0 && kconfig === 0) return original;
  const builder = new BtfBuilder(original);
  const anInt = ksyms === 0 ? 0 : findInt(original) || builder.addInt("int", KSYM_SIZE, BTF_INT_SIGNED);
  const dummy = ksyms === 0 ? 0 : builder.addVar("dummy_ksym", anInt, BTF_VAR_GLOBAL_ALLOCATED);
  const btf = builder.finish();
  if (ksyms !== 0) allocateSymbols(btf, ksyms, anInt, dummy);
  if (kconfig !== 0) allocateConfiguration(btf, kconfig, externs);
  return btf;
}

function findInt(btf: Btf): number {
  for (const id of btf.idsOf("int")) {
    const type = btf.type(id);
    if (type.kind === "int" && type.size === KSYM_SIZE && type.bitOffset === 0 && type.bits === KSYM_SIZE * 8)
      return id;
  }
  return 0;
}

interface Entry {
  readonly type: number;
  readonly offset: number;
  readonly size: number;
}

/** The kernel wants the variables of a section in order of their offset. */
function setEntries(btf: Btf, id: number, entries: readonly Entry[], size: number): void {
  const sorted = entries.toSorted((a, b) => a.offset - b.offset);
  for (const [i, entry] of sorted.entries()) {
    const at = TYPE_WORDS + i * SECINFO_WORDS;
    btf.patch(id, at, entry.type);
    btf.patch(id, at + 1, entry.offset);
    btf.patch(id, at + 2, entry.size);
  }
  btf.patch(id, 2, size);
}

/** A function is no variable: in its place stands one that is. */
function allocateSymbols(btf: Btf, id: number, anInt: number, dummy: number): void {
  const { vars } = btf.type(id) as BtfDatasec;
  const entries = vars.map((entry, i): Entry => {
    const type = btf.type(entry.type);
    const placed = { offset: i * KSYM_SIZE, size: KSYM_SIZE };
    if (type.kind === "func") {
      nameParameters(btf, type.type, dummy);
      btf.setCount(entry.type, BTF_FUNC_GLOBAL);
      return { ...placed, type: dummy };
    }
    if (type.kind !== "var") throw btf.error(`Cannot use type ${entry.type} as an extern`, id);
    btf.patch(entry.type, 2, anInt);
    btf.patch(entry.type, TYPE_WORDS, BTF_VAR_GLOBAL_ALLOCATED);
    return { ...placed, type: entry.type };
  });
  setEntries(btf, id, entries, vars.length * KSYM_SIZE);
}

/** Of a global function the kernel wants every parameter named. */
function nameParameters(btf: Btf, proto: number, nameOf: number): void {
  const type = btf.type(proto);
  if (type.kind !== "func_proto") throw btf.error(`Cannot use type ${proto} as a function's`, proto);
  for (const [i, parameter] of (type as BtfFuncProto).params.entries()) {
    if (parameter.name !== "" || parameter.type === 0) continue;
    btf.patch(proto, TYPE_WORDS + i * 2, btf.nameOffsetOf(nameOf));
  }
}

function allocateConfiguration(btf: Btf, id: number, externs: ReadonlyMap<string, ExternSpec>): void {
  const entries = (btf.type(id) as BtfDatasec).vars.map((entry): Entry => {
    const extern = externs.get(btf.nameOf(entry.type));
    if (btf.kind(entry.type) !== "var") throw btf.error(`Cannot use type ${entry.type} as configuration`, id);
    if (!extern) throw btf.error(`Cannot find the symbol of extern ${btf.nameOf(entry.type)}`, id);
    btf.patch(entry.type, TYPE_WORDS, BTF_VAR_GLOBAL_ALLOCATED);
    return { type: entry.type, offset: extern.offset, size: btf.sizeOf(extern.type) };
  });
  setEntries(btf, id, entries, Math.max(0, ...entries.map(({ offset, size }) => offset + size)));
}
