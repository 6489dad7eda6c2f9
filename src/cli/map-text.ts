// Keys and values of any map as text for a terminal.

import { escapeText } from "./escape.ts";
import { jsonLine } from "./json.ts";

/** Text and numbers as they are, bytes as `01 02 ff`, all else as JSON with integers of any size. */
export function asText(value: unknown): string {
  if (value instanceof Uint8Array) return value.toHex().replace(/..(?!$)/g, "$& ");
  if (typeof value === "string") return escapeText(value);
  if (typeof value !== "object" || value === null) return String(value);
  const json = jsonLine({ value });
  return json.slice('{"value":'.length, -1);
}
