// What is shown as a table, every --interval: entries, as records and as lines under a title.

import { PerCpuValues } from "../../index.ts";
import type { Report } from "../report.ts";
import type { Lines } from "./slots.ts";
import { valueText } from "./value-text.ts";

export type Entry = readonly [key: unknown, value: unknown];

/** A map, or something like one. */
export interface Table {
  readonly name: string;
  show(report: Report): void;
  /** Reads the first entry, if there is one. */
  touch(): void;
}

/** A per-CPU value is shown as its sum, numbers that have none in their type and bytes as those of each CPU. */
export function total(value: unknown): unknown {
  if (!(value instanceof PerCpuValues)) return value;
  return value[0] instanceof Uint8Array ? [...value] : value.total();
}

export const record = ([key, value]: Entry) =>
  value instanceof PerCpuValues ? { key, value: total(value), cpus: [...value] } : { key, value };

/** Nothing in it but zeros: an array has every element from the start. */
export function isZero(value: unknown): boolean {
  if (typeof value === "number" || typeof value === "bigint") return Number(value) === 0;
  if (typeof value === "string") return value === "";
  if (typeof value === "boolean") return !value;
  if (value instanceof Uint8Array) return value.every((byte) => byte === 0);
  return typeof value === "object" && value !== null && Object.values(value).every(isZero);
}

export const rowLines = (entries: readonly Entry[], lines: Lines): string[] =>
  entries.flatMap(([key, value]) => lines(valueText(key), total(value)));

export const titled = (name: string, lines: readonly string[]) =>
  lines.length === 0 ? `${name}: empty` : [`${name}:`, ...lines.map((line) => `  ${line}`)].join("\n");
