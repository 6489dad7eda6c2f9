// The variables of an object as tables: those with slots of powers of two, which many tools keep outside of maps.

import { BpfArray, type BpfObject, type Btf, compileDecoder, Memory } from "../../index.ts";
import { type Lines, slotLines } from "./slots.ts";
import { type Entry, isZero, record, rowLines, type Table, titled } from "./table.ts";

/** Sections that programs write. */
const WRITTEN = /^\.(bss|data)/;

/** Variables that are slots, structs with slots, or arrays of either; shown once there is something in them. */
export function variableTables(object: BpfObject, btf: Btf): Table[] {
  return [...object.maps.values()].flatMap((map) => {
    const section = WRITTEN.test(map.spec.section ?? "") ? btf.type(map.spec.valueTypeId) : undefined;
    if (!(map instanceof BpfArray) || section?.kind !== "datasec") return [];
    return section.vars.flatMap(({ type: id, offset }) => {
      const variable = btf.type(id);
      return variable.kind === "var" ? variableTable(map, btf, variable, offset) : [];
    });
  });
}

function variableTable(map: BpfArray, btf: Btf, { name, type }: { name: string; type: number }, offset: number) {
  const resolved = btf.resolved(type);
  const own = slotLines(btf, type, name);
  const ofEach = resolved.kind === "array" ? slotLines(btf, resolved.type, name) : undefined;
  if (!own && !ofEach) return [];
  const decode = compileDecoder(btf, type);
  const size = btf.sizeOf(type);
  const read = () => {
    const section = map.getBytes(0) as Uint8Array;
    return decode(Memory.from(section.slice(offset, offset + size)), 0); // aligned by the copy, as decoders want it
  };
  const table: Table = {
    name,
    touch: read,
    show(report) {
      const value = read();
      if (isZero(value)) return; // as of the empty value that many tools fill maps with
      const all: Entry[] = Array.isArray(value) ? [...value.entries()] : [[0, value]];
      const entries = own ? all : all.filter(([, one]) => !isZero(one));
      report.map(name, entries.map(record), () =>
        titled(name, own ? own("", value) : rowLines(entries, ofEach as Lines)),
      );
    },
  };
  return [table];
}
