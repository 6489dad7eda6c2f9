/**
 * Values as JSON has them, made what the encoder takes: an integer that a double does not hold is decimal text in JSON.
 */
import type { Btf } from "./btf.ts";
import type { BtfType } from "./types.ts";
import { fieldsOf, isChar } from "./value.ts";

/** Whether values of a type are text: an array of char. */
export function isText(btf: Btf, typeId: number): boolean {
  const type = btf.resolved(typeId);
  return type.kind === "array" && isChar(btf.resolved(type.type));
}

/** The value with bigints where the type has integers and it has decimal text; what does not fit is left to the encoder. */
export function fromJson(btf: Btf, typeId: number, value: unknown): unknown {
  const type = btf.resolved(typeId);
  if (typeof value === "string") return fromText(type, value);
  if (Array.isArray(value) && type.kind === "array") return value.map((item) => fromJson(btf, type.type, item));
  if (typeof value !== "object" || value === null || (type.kind !== "struct" && type.kind !== "union")) return value;
  const types = new Map(fieldsOf(btf, btf.resolve(typeId), type).map((field) => [field.name, field.type]));
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => {
      const id = types.get(name);
      return [name, id === undefined ? member : fromJson(btf, id, member)];
    }),
  );
}

const INTEGERS: readonly BtfType["kind"][] = ["int", "enum", "enum64", "pointer"];

const fromText = (type: BtfType, text: string) =>
  INTEGERS.includes(type.kind) && /^-?\d+$/.test(text) ? BigInt(text) : text;
