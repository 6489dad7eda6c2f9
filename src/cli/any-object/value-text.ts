// Values of any type as one line of text: what a struct of the kernel's or the user's holds, told apart whatever it is.

import { escapeText } from "../escape.ts";

/** Text that could be taken for something else is put in quotes. */
const PLAIN = /^[^\s"=,:{}[\]]+$/;

function stringText(value: string): string {
  const escaped = escapeText(value);
  return PLAIN.test(escaped) ? escaped : `"${escaped.replaceAll('"', '\\"')}"`;
}

/** `{pid=1, comm=sh}`, `[1, 2]`, `0x0a0b` for bytes, text in quotes where it has blanks or is empty. */
export function valueText(value: unknown): string {
  if (typeof value === "string") return stringText(value);
  if (value instanceof Uint8Array) return `0x${Buffer.from(value).toString("hex")}`;
  if (Array.isArray(value)) return `[${value.map(valueText).join(", ")}]`;
  if (typeof value === "object" && value !== null) return `{${fieldTexts(value).join(", ")}}`;
  return String(value);
}

/** A struct without braces, as a line of its own: `pid=1 comm=sh`. */
export function recordText(value: unknown): string {
  const isStruct =
    typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
  return isStruct ? fieldTexts(value).join(" ") : valueText(value);
}

const fieldTexts = (struct: object): string[] =>
  Object.entries(struct).map(([name, value]) => `${escapeText(name)}=${valueText(value)}`);
