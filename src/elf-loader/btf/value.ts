/**
 * What a value of a type consists of, for the codecs: its fields with anonymous structs and unions opened up, as C lets
 * one name them, and a check that it can be decoded at all and to how many values.
 */
import { type Btf, describe, MAX_DEPTH } from "./btf.ts";
import type { BtfComposite, BtfInt, BtfMember, BtfType } from "./types.ts";

/** Most values one type may decode to: nested unions of a small type could ask for any number. */
const MAX_VALUES = 1 << 20;

/** Widths of integers the codecs know, bytes. */
const INT_SIZES: ReadonlySet<number> = new Set([1, 2, 4, 8, 16]);

/** A named member of a struct or union. */
export interface Field {
  readonly name: string;
  /** Behind typedefs and qualifiers. */
  readonly type: number;
  /** Bits from the start of the outermost struct. */
  readonly bitOffset: number;
  /** Width in bits of a bit-field, 0 of a plain field. */
  readonly bitSize: number;
}

/** The fields of a struct or union, those of its anonymous members among them. @throws ObjectError */
export function fieldsOf(btf: Btf, id: number, composite: BtfComposite): Field[] {
  const fields: Field[] = [];
  let visits = 0;
  const open = (from: BtfComposite, base: number, depth: number): void => {
    for (const member of from.members) {
      if (++visits > MAX_VALUES || depth > MAX_DEPTH)
        throw btf.error(`Cannot use type ${id}: its members nest too deep`, id);
      const field = checkMember(btf, id, from, member);
      const type = member.name === "" ? btf.type(field.type) : undefined;
      if (type && (type.kind === "struct" || type.kind === "union")) open(type, base + field.bitOffset, depth + 1);
      else if (member.name !== "") fields.push({ ...field, bitOffset: base + field.bitOffset });
    }
  };
  open(composite, 0, 0);
  return fields;
}

function checkMember(btf: Btf, id: number, composite: BtfComposite, member: BtfMember): Field {
  const resolved = btf.resolve(member.type);
  const type = btf.type(resolved);
  const { bitOffset, bitSize } = bitRange(type, member);
  const field = { name: member.name, type: resolved, bitOffset, bitSize };
  const bits = field.bitSize || btf.sizeOf(resolved) * 8;
  if (field.bitOffset + bits > composite.size * 8) {
    throw btf.error(
      `Cannot use ${describe(composite)}: member ${member.name} lies beyond its ${composite.size} bytes`,
      id,
    );
  }
  if (field.bitSize === 0 && field.bitOffset % 8 !== 0) {
    throw btf.error(`Cannot use ${describe(composite)}: member ${member.name} begins inside a byte`, id);
  }
  if (field.bitSize > 64 || (field.bitSize > 0 && !isIntegral(type))) {
    throw btf.error(
      `Cannot use ${describe(composite)}: member ${member.name} is no bit-field of ${describe(type)}`,
      id,
    );
  }
  return field;
}

const isIntegral = (type: BtfType) => type.kind === "int" || type.kind === "enum" || type.kind === "enum64";

/** Before kernel 5.0 the INT itself said which of its bits a bit-field takes. */
function bitRange(type: BtfType, member: BtfMember): { bitOffset: number; bitSize: number } {
  if (member.bitSize > 0 || type.kind !== "int" || isWhole(type)) return member;
  return { bitOffset: member.bitOffset + type.bitOffset, bitSize: type.bits };
}

const isWhole = (type: BtfInt) => type.bitOffset === 0 && type.bits === type.size * 8;

/** Whether a type is char, the one whose arrays are text. */
export const isChar = (type: BtfType): boolean => type.kind === "int" && type.size === 1 && type.char;

/** How many values each type decodes to. One instance a compilation: what it has counted it remembers. */
export class ValueCounter {
  readonly #btf: Btf;
  readonly #known = new Map<number, number>();

  constructor(btf: Btf) {
    this.#btf = btf;
  }

  /** @throws ObjectError when the type has no value, contains itself, or would decode to too many values */
  count(id: number, depth = 0): number {
    const resolved = this.#btf.resolve(id);
    const known = this.#known.get(resolved);
    if (known !== undefined) return known;
    if (depth > MAX_DEPTH) throw this.#btf.error(`Cannot use type ${resolved}: it nests too deep`, resolved);
    const count = this.#countType(resolved, this.#btf.type(resolved), depth);
    if (count > MAX_VALUES) throw this.#btf.error(`Cannot use type ${resolved}: ${count} values`, resolved);
    this.#known.set(resolved, count);
    return count;
  }

  #countType(id: number, type: BtfType, depth: number): number {
    switch (type.kind) {
      case "struct":
      case "union":
        return fieldsOf(this.#btf, id, type).reduce((sum, field) => sum + this.count(field.type, depth + 1), 1);
      case "array":
        return 1 + type.length * this.count(type.type, depth + 1);
      case "var":
        return this.count(type.type, depth + 1);
      case "int":
      case "enum":
      case "enum64":
        if (INT_SIZES.has(type.size)) return 1;
        break;
      case "float":
        if (type.size === 4 || type.size === 8) return 1;
        break;
      case "pointer":
        return 1;
    }
    const size = "size" in type ? ` of ${type.size} bytes` : "";
    throw this.#btf.error(`Cannot use type ${id}: ${describe(type)}${size} has no value`, id);
  }
}
