/**
 * Structs of functions that the kernel calls (.struct_ops, .struct_ops.link): each variable is a map whose value is the
 * struct, its function pointers set to programs by relocations. Source: bpf_object__init_struct_ops_maps and
 * bpf_object__collect_st_ops_relos in libbpf's libbpf.c.
 */
import type { Btf } from "../btf/btf.ts";
import type { BtfDatasec } from "../btf/types.ts";
import type { ElfFile, ElfSection } from "../elf/elf-file.ts";
import { ObjectError } from "../errors.ts";
import { BPF_F_LINK, BPF_MAP_TYPE_STRUCT_OPS, BPF_PROG_TYPE_STRUCT_OPS } from "../uapi/bpf.ts";
import { mapKey } from "./image.ts";
import type { DefinedMap } from "./map-definitions.ts";
import type { ProgramSpec } from "./program-spec.ts";
import type { MapSpec } from "./types.ts";

/** Sections, and the flags of their maps: of the second kind the struct is taken back when its link is closed (6.4). */
const SECTIONS: { readonly [name: string]: number } = { ".struct_ops": 0, ".struct_ops.link": BPF_F_LINK };
/** In front of them: not made unless `autocreate` is set. */
const OPTIONAL = "?";
const POINTER_SIZE = 8;

/** @throws ObjectError where the section has no BTF, or a relocation sets no function pointer */
export function readStructOps(elf: ElfFile, btf: Btf | undefined): DefinedMap[] {
  return elf.sections.flatMap((section) => {
    const flags = section.size > 0 ? SECTIONS[section.name.replace(/^\?/, "")] : undefined;
    if (flags === undefined) return [];
    const id = btf?.section(section.name) ?? 0;
    if (!btf || id === 0)
      throw new ObjectError(`Cannot read maps: the object has no BTF of section ${section.name}`, section.name, 0);
    return (btf.type(id) as BtfDatasec).vars.map((entry) => readVariable(elf, btf, section, entry, flags));
  });
}

function readVariable(
  elf: ElfFile,
  btf: Btf,
  section: ElfSection,
  { type, offset, size }: BtfDatasec["vars"][number],
  flags: number,
): DefinedMap {
  const variable = btf.type(type);
  const id = variable.kind === "var" ? btf.resolve(variable.type) : 0;
  const struct = btf.type(id);
  if (variable.kind !== "var" || struct.kind !== "struct" || offset + size > section.size || size < struct.size)
    throw new ObjectError(
      `Cannot use section ${section.name}: it holds other things than structs`,
      section.name,
      offset,
    );
  const relocations = (elf.relocations.get(section.index) ?? []).filter(
    (one) => one.offset >= offset && one.offset < offset + size,
  );
  const slots = relocations.map((one) => ({ index: (one.offset - offset) / POINTER_SIZE, name: one.symbol.name }));
  const spec: MapSpec = {
    ...{ name: variable.name, type: BPF_MAP_TYPE_STRUCT_OPS, keySize: 4, valueSize: size, maxEntries: 1, flags },
    ...{ mapExtra: 0n, pinning: "none", keyTypeId: 0, valueTypeId: 0, frozen: false },
    contents: section.data.slice(offset, offset + size),
    autocreate: section.name.startsWith(OPTIONAL) ? false : undefined,
    structOps: { name: struct.name.replace(/___.*$/, ""), typeId: id },
    slots,
  };
  return { spec, key: mapKey(section.index, offset) };
}

/** Tells each program of which struct it is which member. @throws ObjectError where a pointer is set to no program of struct_ops */
export function assignMembers(
  maps: readonly MapSpec[],
  programs: ReadonlyMap<string, ProgramSpec>,
  btf: Btf | undefined,
): void {
  for (const { structOps, slots = [] } of maps) {
    const struct = structOps && btf?.type(structOps.typeId);
    if (struct?.kind !== "struct") continue;
    for (const { index, name } of slots) {
      const member = struct.members.find(({ bitOffset }) => bitOffset === index * POINTER_SIZE * 8);
      const program = programs.get(name);
      const fail = (why: string) =>
        new ObjectError(`Cannot set ${struct.name} to ${name}: ${why}`, ".struct_ops", index * POINTER_SIZE);
      if (!member || !program) throw fail("it is no program of the object, or not the place of one");
      if (program.type !== BPF_PROG_TYPE_STRUCT_OPS) throw fail(`section ${program.section} is not of struct_ops`);
      // The kernel checks a program as the one member it was loaded for.
      const { type, member: other } = program.structOps ?? { type: structOps?.name, member: member.name };
      if (type !== structOps?.name || other !== member.name) throw fail(`it is ${other} of ${type} already`);
      program.structOps = { type: structOps?.name ?? "", member: member.name };
    }
  }
}

/**
 * Of the programs that structs of functions are made of, those load whose struct is made. As libbpf does at load, so that
 * who sets `autocreate` need not name the programs. Source: bpf_object_adjust_struct_ops_autoload in libbpf's libbpf.c.
 */
export function chooseMembers(maps: Iterable<MapSpec>, programs: ReadonlyMap<string, ProgramSpec>): void {
  const wanted = new Map<string, boolean>();
  for (const { structOps, slots = [], autocreate } of maps)
    for (const { name } of structOps ? slots : []) wanted.set(name, autocreate !== false || wanted.get(name) === true);
  for (const [name, autoload] of wanted) {
    const program = programs.get(name);
    if (program) program.autoload = autoload;
  }
}
