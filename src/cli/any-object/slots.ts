// Which values are slots of powers of two: arrays of numbers, by their name or by a length that such arrays have.

import type { Btf } from "../../index.ts";
import { histogramLines, type Slot } from "./histogram.ts";
import { valueText } from "./value-text.ts";

/** Lengths of arrays that are slots of powers of two, as BCC (64) and libbpf-tools (26, 27, 36) make them. */
const SLOT_COUNTS = new Set([26, 27, 36, 64]);
const NAMED_LIKE_SLOTS = /hist(?!ory)|slots|log2/i;
/** What is counted has 64 bits at most, or is 0, which has none. */
const MOST_SLOTS = 65;

export const looksLikeSlots = (name: string, length: number) =>
  SLOT_COUNTS.has(length) || (NAMED_LIKE_SLOTS.test(name) && length > 1 && length <= MOST_SLOTS);

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
  const paths = slotPaths(btf, type);
  return paths.length > 0 ? (head, value) => structLines(head, value as object, paths) : undefined;
}

/** Where in a struct there are slots, also in structs inside of it: members' names with dots between. */
function slotPaths(btf: Btf, type: number): string[] {
  const resolved = btf.resolved(type);
  if (resolved.kind !== "struct") return [];
  return resolved.members.flatMap(({ name, type: id }) => {
    if (isSlots(btf, id, name)) return [name];
    return slotPaths(btf, id).map((path) => (name === "" ? path : `${name}.${path}`));
  });
}

/** The lines of a type's values, whatever they are. */
export const linesOf = (btf: Btf | undefined, type: number, name: string): Lines =>
  (btf && type !== 0 ? slotLines(btf, type, name) : undefined) ?? plain;

const bars: Lines = (head, value) => {
  const lines = histogramLines(value as Slot[]);
  if (!lines) return plain(head, value);
  return head === "" ? lines : [`${head}:`, ...indented(lines)];
};

/** What of a struct is no slots stands in front; several members with slots have their names. */
function structLines(head: string, value: object, paths: readonly string[]): string[] {
  const drawn = paths.flatMap((path) => {
    const lines = histogramLines(at(value, path.split(".")) as Slot[]);
    return lines ? [{ path, lines }] : [];
  });
  const rest = drawn.reduce((left, { path }) => without(left, path.split(".")), value);
  const first = Object.keys(rest).length > 0 ? line(head, valueText(rest)) : `${head}:`;
  const below = drawn.flatMap(({ path, lines }) => (drawn.length > 1 ? [`${path}:`, ...indented(lines)] : lines));
  return [...(first === ":" ? [] : [first]), ...indented(below)];
}

const at = (value: unknown, path: readonly string[]): unknown =>
  path.reduce((inner, name) => (inner as Record<string, unknown>)[name], value);

/** Without one member; a struct inside of it that has no other goes with it. */
function without(value: object, [name, ...deeper]: readonly string[]): object {
  const fields = Object.entries(value).flatMap(([member, inner]) => {
    if (member !== name) return [[member, inner]];
    const left = deeper.length > 0 ? without(inner, deeper) : {};
    return Object.keys(left).length > 0 ? [[member, left]] : [];
  });
  return Object.fromEntries(fields);
}
