// The maps of an object as tables: keys with values, per-CPU values added up, and power-of-two slots as bars.

import {
  BpfArray,
  type BpfMap,
  type BpfObject,
  BpfPerfEventArray,
  BpfTable,
  type Btf,
  type MapSpec,
} from "../../index.ts";
import { histogramLines, type Slot } from "./histogram.ts";
import { isCount, linesOf, looksLikeSlots } from "./slots.ts";
import { type Entry, isZero, record, rowLines, type Table, titled, total } from "./table.ts";
import { variableTables } from "./variables.ts";

/**
 * What the object's programs have to tell: its maps but those that only kernels read, and of its variables those with
 * slots of powers of two.
 */
export function tablesOf(object: BpfObject): Table[] {
  const { btf } = object.spec;
  return [
    ...[...object.maps.values()].flatMap((map) => (isTable(map) ? [tableOf(map, btf)] : [])),
    ...(btf ? variableTables(object, btf) : []),
  ];
}

const isTable = (map: BpfMap): map is BpfTable =>
  map instanceof BpfTable &&
  map.spec.section === undefined &&
  !(map instanceof BpfPerfEventArray) &&
  !map.name.startsWith("__bpf_"); // libbpf's own, of usdt.bpf.h

function tableOf(map: BpfTable, btf: Btf | undefined): Table {
  const { name, valueTypeId } = map.spec;
  const asSlots = map instanceof BpfArray && btf !== undefined && isSlotMap(map.spec, btf);
  const lines = linesOf(btf, valueTypeId, name);
  return {
    name,
    touch() {
      for (const _ of map.entries()) return;
    },
    show(report) {
      const entries = [...map.entries()].map(([key, value]): Entry => [key, value]);
      const filled = map instanceof BpfArray ? entries.filter(([, value]) => !isZero(total(value))) : entries;
      const rows = (asSlots ? entries : filled).sort(([a], [b]) => order(a, b));
      report.map(name, rows.map(record), () =>
        titled(name, (asSlots ? barsOf(rows) : undefined) ?? rowLines(filled, lines)),
      );
    },
  };
}

/** An array of counts is slots itself: each value is one. */
const isSlotMap = ({ name, maxEntries, valueTypeId }: MapSpec, btf: Btf) =>
  valueTypeId !== 0 && isCount(btf, valueTypeId) && looksLikeSlots(name, maxEntries);

function order(a: unknown, b: unknown): number {
  if ((typeof a === "number" || typeof a === "bigint") && (typeof b === "number" || typeof b === "bigint"))
    return a < b ? -1 : a > b ? 1 : 0;
  return 0;
}

/** undefined where one is no count. */
const barsOf = (entries: readonly Entry[]): string[] | undefined =>
  histogramLines(entries.map(([, value]) => total(value) as Slot));
