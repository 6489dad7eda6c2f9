// JSON lines that any reader takes: valid UTF-8, no number that a double would round or that JSON has not, nothing a
// terminal obeys.

import { isEscapedByte, stringToBytes } from "../index.ts";

const TERMINAL = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** One line, without the newline. */
export function jsonLine(record: Record<string, unknown>): string {
  const json = JSON.stringify(withBytes(record), (_key, value) => {
    if (typeof value === "bigint") return bigintValue(value);
    return typeof value === "number" && !Number.isFinite(value) ? String(value) : value;
  });
  return json.replace(TERMINAL, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** A number where a double holds it exactly, else a decimal string. */
function bigintValue(value: bigint): number | string {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value.toString();
}

/** Text that was not UTF-8 becomes U+FFFD where it was not, and NAME_hex beside it has its bytes; bytes become hex. */
function withBytes(record: Record<string, unknown>): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(record)) {
    if (typeof value !== "string" || value.isWellFormed()) {
      result[name] = typeof value === "object" && value !== null ? nested(value) : value;
      continue;
    }
    result[name] = readable(value);
    result[`${name}_hex`] = Buffer.from(stringToBytes(value)).toString("hex");
  }
  return result;
}

function nested(value: object): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString("hex");
  if (!Array.isArray(value)) return withBytes(value as Record<string, unknown>);
  return value.map((item) => {
    if (typeof item === "string") return readable(item);
    return typeof item === "object" && item !== null ? nested(item) : item;
  });
}

const readable = (text: string) =>
  text.isWellFormed()
    ? text
    : [...text].map((c) => (isEscapedByte(c.charCodeAt(0)) && c.length === 1 ? "\ufffd" : c)).join("");
