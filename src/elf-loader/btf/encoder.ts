/**
 * Encoders for keys, values and globals: the inverse of the decoders, checked against the type. They run once a value
 * set, not once an event, so they are closures rather than generated code.
 */
import { stringToBytes } from "../bytes/text.ts";
import { ObjectError } from "../errors.ts";
import { type Btf, describe } from "./btf.ts";
import type { BtfArray, BtfComposite, BtfEnum, BtfEnum64, BtfType } from "./types.ts";
import { type Field, fieldsOf, isChar, ValueCounter } from "./value.ts";

/** Where a value goes, and whose it is in errors. */
interface Target {
  readonly bytes: Uint8Array;
  /** Bytes from the start of the section or value, for errors. */
  readonly section: string;
}

type Write = (target: Target, at: number, value: unknown, path: string) => void;

/**
 * Compiles the encoder of a type: a fresh array of the type's size in the byte order of the BTF, what a given object
 * leaves out being zero. Takes what the decoder gives, and numbers for bigints.
 *
 * @throws ObjectError here when the type has no value, and by the encoder when the value does not fit the type
 */
export function compileEncoder(btf: Btf, typeId: number): (value: unknown) => Uint8Array {
  const write = compileWriter(btf, typeId);
  const size = btf.sizeOf(typeId);
  return (value) => {
    const bytes = new Uint8Array(size);
    write({ bytes, section: ".BTF" }, 0, value, btf.nameOf(typeId) || "value");
    return bytes;
  };
}

/** The same into bytes that are there already: what a given object leaves out stays. */
export function compileWriter(btf: Btf, typeId: number): Write {
  new ValueCounter(btf).count(typeId);
  return new Writers(btf).of(btf.resolve(typeId));
}

/** Writes one bit-field. */
export function writeBits(btf: Btf, field: Field, target: Target, at: number, value: unknown, path: string): void {
  new Writers(btf).bits(field)(target, at, value, path);
}

class Writers {
  readonly #btf: Btf;
  readonly #little: boolean;
  readonly #known = new Map<number, Write>();

  constructor(btf: Btf) {
    this.#btf = btf;
    this.#little = btf.byteOrder === "little";
  }

  of(id: number): Write {
    const known = this.#known.get(id);
    if (known) return known;
    const write = this.#make(id, this.#btf.type(id));
    this.#known.set(id, write);
    return write;
  }

  #make(id: number, type: BtfType): Write {
    switch (type.kind) {
      case "struct":
      case "union":
        return this.#object(id, type);
      case "array":
        return this.#array(type);
      case "var":
        return this.of(this.#btf.resolve(type.type));
      case "float":
        return this.#float(type.size);
      case "pointer":
        return this.#integer(64, false, type);
      case "int":
      case "enum":
      case "enum64":
        return this.#integer(type.size * 8, type.signed, type);
      default:
        throw this.#btf.error(`Cannot encode ${describe(type)}`, id);
    }
  }

  #object(id: number, type: BtfComposite): Write {
    const fields = this.#inOrder(fieldsOf(this.#btf, id, type));
    const writes = new Map(fields.map((field) => [field.name, this.#field(field)]));
    return (target, at, value, path) => {
      if (typeof value !== "object" || value === null) throw mismatch(target, at, path, value, describe(type));
      for (const name of Object.keys(value))
        if (!writes.has(name)) throw refusal(target, at, `Cannot set ${path}: ${describe(type)} has no member ${name}`);
      const members = value as { [name: string]: unknown };
      for (const [name, write] of writes)
        if (Object.hasOwn(members, name)) write(target, at, members[name], `${path}.${name}`);
    };
  }

  /**
   * The members of a union over each other, so that what was decoded is encoded to the same bytes: text, which ends at a
   * NUL, before what is made of several values, that before single ones; and the larger behind the smaller.
   */
  #inOrder(fields: readonly Field[]): Field[] {
    const rank = ({ type: id, bitSize }: Field): number => {
      const type = this.#btf.type(id);
      const size = (bitSize || this.#btf.sizeOf(id) * 8) / 2 ** 32;
      if (type.kind === "array" && isChar(this.#btf.resolved(type.type))) return size;
      return (["struct", "union", "array"].includes(type.kind) ? 1 : 2) + size;
    };
    return [...fields].sort((a, b) => rank(a) - rank(b));
  }

  #field(field: Field): Write {
    if (field.bitSize > 0) return this.bits(field);
    const write = this.of(this.#btf.resolve(field.type));
    return (target, at, value, path) => write(target, at + field.bitOffset / 8, value, path);
  }

  #array(type: BtfArray): Write {
    const element = this.#btf.resolve(type.type);
    const size = this.#btf.sizeOf(element);
    const text = isChar(this.#btf.type(element));
    const write = text ? this.#character(this.#btf.type(element)) : this.of(element);
    return (target, at, value, path) => {
      if (text && typeof value === "string") return writeText(target, at, value, type.length, path);
      if (!isList(value)) throw mismatch(target, at, path, value, text ? "text" : "an array");
      if (value.length !== type.length) {
        throw refusal(target, at, `Cannot set ${path}: ${value.length} elements, not ${type.length}`);
      }
      for (let i = 0; i < type.length; i++) write(target, at + i * size, value[i], `${path}[${i}]`);
    };
  }

  /** A byte of text, which C has as signed or not, as it likes. */
  #character(type: BtfType): Write {
    const [signed, unsigned] = [this.#integer(8, true, type), this.#integer(8, false, type)];
    return (...all) => (Number(all[2]) < 0 ? signed : unsigned)(...all);
  }

  #float(size: number): Write {
    return (target, at, value, path) => {
      if (typeof value !== "number") throw mismatch(target, at, path, value, "a number");
      if (size === 4 && Number.isFinite(value) && !Number.isFinite(Math.fround(value)))
        throw refusal(target, at, `Cannot set ${path}: ${value} does not fit a float of 4 bytes`);
      const view = viewOf(target.bytes);
      if (size === 4) view.setFloat32(at, value, this.#little);
      else view.setFloat64(at, value, this.#little);
    };
  }

  #integer(bits: number, signed: boolean, type: BtfType): Write {
    return (target, at, value, path) => {
      const number = toInteger(target, at, value, path, bits, signed, type);
      const bytes = bits / 8;
      for (let i = 0; i < bytes; i++) {
        const shift = BigInt((this.#little ? i : bytes - 1 - i) * 8);
        target.bytes[at + i] = Number((number >> shift) & 0xffn);
      }
    };
  }

  /** Little-endian fields count bits from the least significant one, big-endian ones from the most significant one. */
  bits(field: Field): Write {
    const type = this.#btf.type(field.type);
    const signed = "signed" in type && type.signed;
    return (target, at, value, path) => {
      const number = toInteger(target, at, value, path, field.bitSize, signed, type);
      for (let i = 0; i < field.bitSize; i++) {
        const bit = field.bitOffset + (this.#little ? i : field.bitSize - 1 - i);
        const mask = this.#little ? 1 << (bit & 7) : 0x80 >> (bit & 7);
        const byte = at + (bit >> 3);
        const on = (number >> BigInt(i)) & 1n;
        target.bytes[byte] = ((target.bytes[byte] ?? 0) & ~mask) | (on ? mask : 0);
      }
    };
  }
}

const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

const isList = (value: unknown): value is ArrayLike<unknown> =>
  Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));

/** Text with zeros up to the end of the array; it may fill the array without a NUL, as in C. */
function writeText(target: Target, at: number, text: string, length: number, path: string): void {
  const bytes = stringToBytes(text);
  if (bytes.length > length) {
    throw refusal(target, at, `Cannot set ${path}: ${bytes.length} bytes of text do not fit ${length}`);
  }
  target.bytes.fill(0, at, at + length);
  target.bytes.set(bytes, at);
}

function toInteger(
  target: Target,
  at: number,
  value: unknown,
  path: string,
  bits: number,
  signed: boolean,
  type: BtfType,
): bigint {
  const number = asBigint(value, type);
  if (number === undefined) throw mismatch(target, at, path, value, expected(type));
  const width = BigInt(bits);
  const [low, high] = signed ? [-(1n << (width - 1n)), (1n << (width - 1n)) - 1n] : [0n, (1n << width) - 1n];
  const bounds = type.kind === "int" && type.bool ? [0n, 1n] : [low, high];
  if (number < (bounds[0] as bigint) || number > (bounds[1] as bigint)) {
    throw refusal(
      target,
      at,
      `Cannot set ${path}: ${number} does not fit ${describe(type)} (${bounds[0]} to ${bounds[1]})`,
    );
  }
  return number;
}

function asBigint(value: unknown, type: BtfType): bigint | undefined {
  if (typeof value === "bigint") return value;
  if (typeof value === "number") return Number.isSafeInteger(value) ? BigInt(value) : undefined;
  if (typeof value === "boolean") return type.kind === "int" ? BigInt(value) : undefined;
  if (typeof value === "string" && (type.kind === "enum" || type.kind === "enum64")) return enumerator(type, value);
  return undefined;
}

function enumerator(type: BtfEnum | BtfEnum64, name: string): bigint | undefined {
  const found = (type.values as readonly { name: string; value: number | bigint }[]).find((v) => v.name === name);
  return found && BigInt(found.value);
}

const MOST_NAMES = 8;

const refusal = (target: Target, at: number, message: string) => new ObjectError(message, target.section, at);

function mismatch(target: Target, at: number, path: string, value: unknown, wanted: string): ObjectError {
  const given =
    typeof value === "string" ? JSON.stringify(value) : typeof value === "object" ? "an object" : String(value);
  return refusal(target, at, `Cannot set ${path}: ${given} is not ${wanted}`);
}

/** Of an enum also the first of its names. */
function expected(type: BtfType): string {
  if (type.kind !== "enum" && type.kind !== "enum64") return describe(type);
  const names = type.values.slice(0, MOST_NAMES).map(({ name }) => name);
  return `${describe(type)} (${names.join(", ")}${type.values.length > names.length ? ", …" : ""})`;
}
