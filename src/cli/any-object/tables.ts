// The maps of an object as tables: keys with values, per-CPU values added up, and power-of-two slots as bars.

import {
  BpfArray,
  type BpfMap,
  type BpfObject,
  BpfPerfEventArray,
  BpfTable,
  type MapSpec,
  PerCpuValues,
} from "../../index.ts";
import type { Report } from "../report.ts";
import { histogramLines } from "./histogram.ts";
import { valueText } from "./value-text.ts";

type Entry = readonly [key: unknown, value: unknown];

/** Lengths of arrays that are slots of powers of two, as BCC (64) and libbpf-tools (26, 27, 36) make them. */
const SLOT_COUNTS = new Set([26, 27, 36, 64]);
const NAMED_LIKE_SLOTS = /hist|slots|log2/i;

/** A map that is shown. */
export interface Table {
  readonly name: string;
  show(report: Report): void;
  /** Reads the first entry, if there is one. */
  touch(): void;
}

/** The maps that hold what the object's programs have to tell: not its own variables, and not what only kernels read. */
export function tablesOf(object: BpfObject): Table[] {
  return [...object.maps.values()].flatMap((map) => (isTable(map) ? [tableOf(map)] : []));
}

const isTable = (map: BpfMap): map is BpfTable =>
  map instanceof BpfTable &&
  map.spec.section === undefined &&
  !(map instanceof BpfPerfEventArray) &&
  !map.name.startsWith("__bpf_"); // libbpf's own, of usdt.bpf.h

function tableOf(map: BpfTable): Table {
  const { name } = map.spec;
  const asSlots = map instanceof BpfArray && isSlots(map.spec);
  return {
    name,
    touch() {
      for (const _ of map.entries()) return;
    },
    show(report) {
      const entries = [...map.entries()].map(([key, value]): Entry => [key, value]);
      const shown = asSlots
        ? entries
        : entries.filter(([, value]) => !(map instanceof BpfArray) || !isZero(total(value)));
      const sorted = shown.sort(([a], [b]) => order(a, b));
      report.map(name, sorted.map(record), () => (asSlots ? slotsText(name, sorted) : tableText(name, sorted)));
    },
  };
}

const isSlots = (spec: MapSpec) => NAMED_LIKE_SLOTS.test(spec.name) || SLOT_COUNTS.has(spec.maxEntries);

/** A per-CPU value is shown as its sum. */
const total = (value: unknown): unknown => (value instanceof PerCpuValues ? value.sum() : value);

const record = ([key, value]: Entry) =>
  value instanceof PerCpuValues ? { key, value: value.sum(), cpus: [...value] } : { key, value };

function order(a: unknown, b: unknown): number {
  if ((typeof a === "number" || typeof a === "bigint") && (typeof b === "number" || typeof b === "bigint"))
    return a < b ? -1 : a > b ? 1 : 0;
  return 0;
}

/** Nothing in it but zeros: an array has every element from the start. */
function isZero(value: unknown): boolean {
  if (typeof value === "number" || typeof value === "bigint") return Number(value) === 0;
  if (typeof value === "string") return value === "";
  if (typeof value === "boolean") return !value;
  if (value instanceof Uint8Array) return value.every((byte) => byte === 0);
  return typeof value === "object" && value !== null && Object.values(value).every(isZero);
}

const isNumbers = (value: unknown): value is (number | bigint)[] =>
  Array.isArray(value) && value.every((item) => typeof item === "number" || typeof item === "bigint");

function slotsText(name: string, entries: readonly Entry[]): string {
  const slots = entries.map(([, value]) => total(value));
  return isNumbers(slots) ? titled(name, histogramLines(slots)) : tableText(name, entries);
}

function tableText(name: string, entries: readonly Entry[]): string {
  return titled(
    name,
    entries.flatMap(([key, value]) => rowLines(key, total(value))),
  );
}

const titled = (name: string, lines: readonly string[]) =>
  lines.length === 0 ? `${name}: empty` : [`${name}:`, ...lines.map((line) => `  ${line}`)].join("\n");

/** A struct with slots in it is drawn, its other members stand in front. */
function rowLines(key: unknown, value: unknown): string[] {
  const slots = typeof value === "object" && value !== null && "slots" in value ? value.slots : undefined;
  if (!isNumbers(slots)) return [`${valueText(key)}: ${valueText(value)}`];
  const rest = Object.fromEntries(Object.entries(value as object).filter(([member]) => member !== "slots"));
  const head = Object.keys(rest).length > 0 ? `${valueText(key)}: ${valueText(rest)}` : `${valueText(key)}:`;
  return [head, ...histogramLines(slots).map((line) => `  ${line}`)];
}
