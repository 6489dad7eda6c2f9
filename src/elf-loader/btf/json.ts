/**
 * Values as JSON has them, made what the encoder takes: an integer that a double does not hold is decimal text in JSON, a
 * float that is no number its name, and text that is not UTF-8 has its bytes in NAME_hex beside it.
 */
import { bytesToString } from "../bytes/text.ts";
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
  if (typeof value === "bigint" && type.kind === "float") return Number(value);
  if (Array.isArray(value) && type.kind === "array") return value.map((item) => fromJson(btf, type.type, item));
  if (typeof value !== "object" || value === null || (type.kind !== "struct" && type.kind !== "union")) return value;
  const types = new Map(fieldsOf(btf, btf.resolve(typeId), type).map((field) => [field.name, field.type]));
  const members = Object.entries(value).map(([name, member]) => {
    const id = types.get(name);
    return [name, id === undefined ? member : fromJson(btf, id, member)];
  });
  return withBytes(Object.fromEntries(members), types);
}

/** Members whose bytes are beside them made the text of these; what else is no member is left to the encoder. */
function withBytes(members: { [name: string]: unknown }, types: ReadonlyMap<string, number>): unknown {
  for (const [beside, hex] of Object.entries(members)) {
    const name = beside.replace(/_hex$/, "");
    if (types.has(beside) || !types.has(name) || typeof hex !== "string" || !/^([0-9a-f]{2})*$/i.test(hex)) continue;
    delete members[beside];
    members[name] = bytesToString(Uint8Array.fromHex(hex));
  }
  return members;
}

const INTEGERS: readonly BtfType["kind"][] = ["int", "enum", "enum64", "pointer"];

function fromText(type: BtfType, text: string): unknown {
  if (type.kind === "float" && /^(NaN|-?Infinity)$/.test(text)) return Number(text);
  return INTEGERS.includes(type.kind) && /^-?\d+$/.test(text) ? BigInt(text) : text;
}
