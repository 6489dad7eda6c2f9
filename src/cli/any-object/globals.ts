// --set NAME=VALUE: global variables of the user's object, as text that becomes what the variable is.

import { BpfError, closeHint, type ObjectSpec, parseJson } from "../../index.ts";
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
    const misfits: Error[] = [];
    const fits = misfit(() => meanings(spec.globals.get(name), text), misfits)?.some((value) => {
      return misfit(() => spec.globals.set(name, value) ?? true, misfits);
    });
    if (fits) continue;
    const known = spec.globals.names();
    const hint = known.includes(name.split(/[.[]/)[0] ?? "") ? "" : closeHint(name, known);
    const why = misfits[0]?.message ?? "";
    // The library's own words name the variable; those of `meanings` and of JSON do not.
    const whole = why.startsWith("Cannot ") ? why : `Cannot set ${name} to ${JSON.stringify(text)}: ${why}`;
    throw new UsageError(`${whole}${hint}`);
  }
}

/** What the action gives; undefined where the value is none of that type, with why among the misfits. */
function misfit<T>(action: () => T, misfits: Error[]): T | undefined {
  try {
    return action();
  } catch (error) {
    const kinds = [BpfError, TypeError, RangeError];
    if (!kinds.some((kind) => error instanceof kind)) throw error;
    misfits.push(error as Error);
    return undefined;
  }
}

/**
 * What the text may mean for a variable that holds such a value now, the likeliest first; structs and arrays are JSON. An
 * enum's value has a name or, where the type has none for it, is a number.
 */
function meanings(value: unknown, text: string): unknown[] {
  if (typeof value === "boolean") {
    if (["true", "1"].includes(text)) return [true];
    if (["false", "0"].includes(text)) return [false];
    throw new TypeError("expected true or false");
  }
  const number = parseNumber(text, typeof value === "bigint");
  if (typeof value === "number" || typeof value === "bigint") return [number ?? text];
  if (typeof value === "string") return number === undefined ? [text] : [text, number];
  return [parseJson(text)];
}

/** Decimal, 0x, 0o or 0b, with a sign; or a fraction, for a float. undefined where it is no number. */
function parseNumber(text: string, big: boolean): number | bigint | undefined {
  const [, sign = "", digits = ""] = /^([-+]?)(\d+|0x[\da-f]+|0o[0-7]+|0b[01]+)$/i.exec(text) ?? [];
  if (digits === "") return /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(text) ? Number(text) : undefined;
  const value = sign === "-" ? -BigInt(digits) : BigInt(digits);
  return big || !Number.isSafeInteger(Number(value)) ? value : Number(value);
}
