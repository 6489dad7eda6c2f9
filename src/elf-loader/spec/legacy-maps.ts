/**
 * Maps defined before BTF could: section `maps`, one `struct bpf_map_def` a map, five 32-bit numbers or the first of them,
 * told apart by their symbols. Source: bpf_object__init_user_maps in libbpf 0.x, which libbpf 1.0 dropped.
 */
import { Reader } from "../bytes/reader.ts";
import type { ElfFile, ElfSection, ElfSymbol } from "../elf/elf-file.ts";
import { ObjectError } from "../errors.ts";
import { STT_NOTYPE, STT_OBJECT } from "../uapi/elf.ts";
import { mapKey } from "./image.ts";
import type { DefinedMap } from "./map-definitions.ts";

const SECTION = "maps";
const FIELDS = ["type", "key_size", "value_size", "max_entries", "map_flags"] as const;
const FIELD_SIZE = 4;
const DEFINITION_SIZE = FIELDS.length * FIELD_SIZE;

export const LEGACY_WARNING =
  "section maps is an old way to define maps, without types of keys and values: define them by BTF, in .maps";

/** @throws ObjectError when a definition says no type or more than five numbers */
export function readLegacyMaps(elf: ElfFile): DefinedMap[] {
  const section = elf.sections.find(({ name, size }) => name === SECTION && size > 0);
  if (!section) return [];
  const symbols = elf.symbols
    .filter(({ section: index, type }) => index === section.index && (type === STT_OBJECT || type === STT_NOTYPE))
    .filter(({ name }) => name !== "")
    .sort((a, b) => a.value - b.value);
  return symbols.map((symbol, i) => {
    const end = symbols[i + 1]?.value ?? section.size;
    return { spec: readDefinition(elf, section, symbol, end), key: mapKey(section.index, symbol.value) };
  });
}

function readDefinition(elf: ElfFile, section: ElfSection, { name, value: start }: ElfSymbol, end: number) {
  const fail = (why: string) => new ObjectError(`Cannot use map ${name}: ${why}`, SECTION, start);
  if (end - start < FIELD_SIZE) throw fail(`${end - start} bytes of definition, which say no type`);
  if (section.data.subarray(start + DEFINITION_SIZE, end).some((byte) => byte !== 0))
    throw fail("its definition says more than type, sizes, entries and flags");
  const reader = new Reader(section.data, SECTION, elf.littleEndian);
  const said = FIELDS.slice(0, (end - start) / FIELD_SIZE);
  const [type = 0, keySize = 0, valueSize = 0, maxEntries = 0, flags = 0] = said.map((field, i) =>
    reader.u32(start + i * FIELD_SIZE, field),
  );
  const geometry = { type, keySize, valueSize, maxEntries, flags, keyTypeId: 0, valueTypeId: 0, mapExtra: 0n };
  return { name, ...geometry, pinning: "none" as const, frozen: false };
}
