// Which values are slots of powers of two: arrays of numbers, by their name or by a length that such arrays have.

import type { Btf } from "../../index.ts";
import { histogramLines } from "./histogram.ts";
import { valueText } from "./value-text.ts";

/** Lengths of arrays that are slots of powers of two, as BCC (64) and libbpf-tools (26, 27, 36) make them. */
const SLOT_COUNTS = new Set([26, 27, 36, 64]);
const NAMED_LIKE_SLOTS = /hist|slots|log2/i;

export const looksLikeSlots = (name: string, length: number) => NAMED_LIKE_SLOTS.test(name) || SLOT_COUNTS.has(length);

/** Counts of 4 or 8 bytes; `type` may be 0, which is nothing. */
export function isCount(btf: Btf, type: number): boolean {
  const resolved = btf.resolved(type);
  return resolved.kind === "int" && !resolved.bool && (resolved.size === 4 || resolved.size === 8);
}

function isSlots(btf: Btf, type: number, name: string): boolean {
  const resolved = btf.resolved(type);
  return resolved.kind === "array" && isCount(btf, resolved.type) && looksLikeSlots(name, resolved.length);
}

/** A value under a head, such as its key; none where it stands by itself. */
export type Lines = (head: string, value: unknown) => string[];

const line = (head: string, text: string) => (head === "" ? text : `${head}: ${text}`);
const plain: Lines = (head, value) => [line(head, valueText(value))];
const indented = (lines: readonly string[]) => lines.map((one) => `  ${one}`);

/** The lines of a type's values with its slots as bars; undefined where there are none in it. */
export function slotLines(btf: Btf, type: number, name: string): Lines | undefined {
  if (isSlots(btf, type, name)) return bars;
  const resolved = btf.resolved(type);
  if (resolved.kind !== "struct") return undefined;
  const members = resolved.members.filter((member) => isSlots(btf, member.type, member.name)).map((one) => one.name);
  return members.length > 0 ? (head, value) => structLines(head, value as object, members) : undefined;
}

/** The lines of a type's values, whatever they are. */
export const linesOf = (btf: Btf | undefined, type: number, name: string): Lines =>
  (btf && type !== 0 ? slotLines(btf, type, name) : undefined) ?? plain;

const bars: Lines = (head, value) => {
  const lines = histogramLines(value as (number | bigint)[]);
  if (!lines) return plain(head, value);
  return head === "" ? lines : [`${head}:`, ...indented(lines)];
};

/** What of a struct is no slots stands in front; several members with slots have their names. */
function structLines(head: string, value: object, members: readonly string[]): string[] {
  const fields = Object.entries(value);
  const drawn = fields.flatMap(([name, slots]) => {
    const lines = members.includes(name) ? histogramLines(slots) : undefined;
    return lines ? [{ name, lines }] : [];
  });
  const rest = Object.fromEntries(fields.filter(([name]) => !drawn.some((one) => one.name === name)));
  const first = Object.keys(rest).length > 0 ? line(head, valueText(rest)) : `${head}:`;
  const below = drawn.flatMap(({ name, lines }) => (drawn.length > 1 ? [`${name}:`, ...indented(lines)] : lines));
  return [...(first === ":" ? [] : [first]), ...indented(below)];
}
