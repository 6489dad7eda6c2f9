// Keys and values of any map as text for a terminal and as what JSON can hold.

import { escapeText } from "./escape.ts";
import { jsonLine } from "./json.ts";

/** Bytes become hexadecimal, wherever they are. */
export function asPlain(value: unknown): unknown {
  if (value instanceof Uint8Array) return value.toHex();
  if (Array.isArray(value)) return Array.from(value, asPlain);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, asPlain(item)]));
}

/** Text and numbers as they are, bytes as `01 02 ff`, all else as JSON with integers of any size. */
export function asText(value: unknown): string {
  if (value instanceof Uint8Array) return value.toHex().replace(/..(?!$)/g, "$& ");
  if (typeof value === "string") return escapeText(value);
  if (typeof value !== "object" || value === null) return String(value);
  const json = jsonLine({ value: asPlain(value) });
  return json.slice('{"value":'.length, -1);
}
