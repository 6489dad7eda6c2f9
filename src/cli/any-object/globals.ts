// --set NAME=VALUE: global variables of the user's object, as text that becomes what the variable is.

import { BpfError, closeHint, type ObjectSpec } from "../../index.ts";
import { UsageError } from "../exit-status.ts";

/** `NAME=VALUE` cut in two. Throws UsageError. */
export function parsePair(text: string): readonly [name: string, value: string] {
  const at = text.indexOf("=");
  if (at <= 0) throw new UsageError(`Expected NAME=VALUE, got ${JSON.stringify(text)}`);
  return [text.slice(0, at), text.slice(at + 1)];
}

/** Throws UsageError where there is no such variable, or the value is not one of its type. */
export function setGlobals(spec: ObjectSpec, pairs: readonly (readonly [string, string])[]): void {
  for (const [name, text] of pairs) {
    try {
      spec.globals.set(name, parseLike(spec.globals.get(name), text));
    } catch (error) {
      if (
        !(
          error instanceof BpfError ||
          error instanceof TypeError ||
          error instanceof RangeError ||
          error instanceof SyntaxError
        )
      )
        throw error;
      const known = spec.globals.names();
      const hint = known.includes(name.split(/[.[]/)[0] ?? "") ? "" : closeHint(name, known);
      throw new UsageError(`Cannot set ${name} to ${JSON.stringify(text)}: ${error.message}${hint}`);
    }
  }
}

/** The text as a value of the same kind as the one that is there; structs and arrays as JSON. */
function parseLike(value: unknown, text: string): unknown {
  if (typeof value === "boolean") {
    if (["true", "1"].includes(text)) return true;
    if (["false", "0"].includes(text)) return false;
    throw new TypeError("expected true or false");
  }
  if (typeof value === "number" || typeof value === "bigint") return parseNumber(text, typeof value === "bigint");
  if (typeof value === "string") return text;
  return JSON.parse(text);
}

/** Decimal, 0x, 0o or 0b, with a sign; a fraction where the variable is a float; an enum's value by name stays text. */
function parseNumber(text: string, big: boolean): number | bigint | string {
  const [, sign = "", digits = ""] = /^([-+]?)(\d+|0x[\da-f]+|0o[0-7]+|0b[01]+)$/i.exec(text) ?? [];
  if (digits === "") return /^[-+]?\d*\.\d+$/.test(text) ? Number(text) : text;
  const value = sign === "-" ? -BigInt(digits) : BigInt(digits);
  return big || !Number.isSafeInteger(Number(value)) ? value : Number(value);
}
