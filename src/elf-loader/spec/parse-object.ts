/** The bytes of an object to an ObjectSpec, stage by stage: ELF, BTF, functions, maps. Source: bpf_object__open in libbpf. */
import { parseBtfExt } from "../btf/ext.ts";
import { Reader } from "../bytes/reader.ts";
import { cString } from "../bytes/text.ts";
import { type ElfFile, type ElfSection, parseElf } from "../elf/elf-file.ts";
import { ObjectError } from "../errors.ts";
import { fillArena, readDataMaps, readKconfigMap } from "./data-maps.ts";
import { readExterns } from "./externs.ts";
import { type BpfFunction, collectFunctions } from "./image.ts";
import { LEGACY_WARNING, readLegacyMaps } from "./legacy-maps.ts";
import { readMapDefinitions } from "./map-definitions.ts";
import { readObjectBtf } from "./object-btf.ts";
import { ObjectSpec } from "./object-spec.ts";
import { ProgramSpec } from "./program-spec.ts";
import { assignMembers, readStructOps } from "./struct-ops.ts";
import type { MapSpec } from "./types.ts";

/**
 * Parses an object: ELF64, relocatable, of either byte order. The bytes are not copied: leave them alone afterwards.
 *
 * @param name what to call it: a file's base name; what follows its first dot is dropped
 * @throws ObjectError, and nothing else, when the bytes are not a well-formed object
 */
export function parseObject(bytes: Uint8Array, name = ""): ObjectSpec {
  const elf = parseElf(bytes);
  const { btf, externs } = readExterns(elf, readObjectBtf(elf));
  const ext = findSection(elf, ".BTF.ext");
  const functions = collectFunctions(elf);
  const dataMaps = readDataMaps(elf, btf);
  const legacy = readLegacyMaps(elf);
  const structOps = readStructOps(elf, btf);
  const defined = [...readMapDefinitions(elf, btf), ...structOps, ...legacy];
  const arena = fillArena(
    elf,
    defined.map(({ spec }) => spec),
  );
  const programs = toPrograms([...functions.values()].flat());
  assignMembers(
    structOps.map(({ spec }) => spec),
    programs,
    btf,
  );
  return new ObjectSpec({
    name: name.replace(/\..*$/s, ""),
    license: readLicense(elf),
    kernelVersion: readVersion(elf),
    maps: byName([...defined.map(({ spec }) => spec), ...dataMaps.values(), ...readKconfigMap(externs, btf)]),
    programs,
    externs,
    btf,
    warnings: legacy.length > 0 ? [LEGACY_WARNING] : [],
    image: {
      elf,
      btfExt: ext && btf && parseBtfExt(ext.data, btf),
      functions,
      functionsOf: bySectionName(elf, functions),
      mapsAt: new Map(defined.map(({ spec, key }) => [key, spec.name])),
      dataMaps: new Map([...dataMaps].map(([index, map]) => [index, map.name])),
      arena,
    },
  });
}

function bySectionName(elf: ElfFile, functions: ReadonlyMap<number, BpfFunction[]>): Map<string, BpfFunction[]> {
  const named = new Map<string, BpfFunction[]>();
  for (const [index, list] of functions) {
    const name = elf.sections[index]?.name ?? "";
    if (!named.has(name)) named.set(name, list);
  }
  return named;
}

const findSection = (elf: ElfFile, wanted: string): ElfSection | undefined =>
  elf.sections.find(({ name, size }) => name === wanted && size > 0);

function readLicense(elf: ElfFile): string {
  const section = findSection(elf, "license");
  return section ? cString(section.data, 0, Math.min(section.data.length, MAX_LICENSE)) : "";
}

/** The kernel reads 128 bytes: bpf_prog_load in kernel/bpf/syscall.c. */
const MAX_LICENSE = 127;

/** Bytes of the kern_version of union bpf_attr. */
const VERSION_SIZE = 4;

function readVersion(elf: ElfFile): number | undefined {
  const section = findSection(elf, "version");
  if (!section) return undefined;
  const reader = new Reader(section.data, "version", elf.littleEndian);
  if (reader.size !== VERSION_SIZE) throw reader.error(`Cannot use section version of ${reader.size} bytes`, 0);
  return reader.u32(0, "version");
}

function byName(maps: readonly MapSpec[]): Map<string, MapSpec> {
  const named = new Map<string, MapSpec>();
  for (const map of maps) {
    if (named.has(map.name)) throw new ObjectError(`Cannot use two maps named ${map.name}`, map.section ?? ".maps", 0);
    named.set(map.name, map);
  }
  return named;
}

function toPrograms(functions: readonly BpfFunction[]): Map<string, ProgramSpec> {
  const programs = new Map<string, ProgramSpec>();
  for (const { name, section, symbol, entry } of functions) {
    if (!entry) continue;
    if (programs.has(name)) throw new ObjectError(`Cannot use two programs named ${name}`, section.name, symbol.value);
    programs.set(name, new ProgramSpec(name, section.name));
  }
  return programs;
}
