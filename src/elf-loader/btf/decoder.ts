/**
 * Decoders, compiled once a BTF type: one function that builds one object literal from typed-array loads, with every
 * offset a constant. Interpreting the type for each event is ten times slower.
 */
import type { Memory } from "../bytes/memory.ts";
import type { Btf } from "./btf.ts";
import { type TextReader, textReader } from "./text-cache.ts";
import type { BtfArray, BtfComposite, BtfEnum, BtfEnum64, BtfType } from "./types.ts";
import { type Field, fieldsOf, isChar, ValueCounter } from "./value.ts";

/**
 * Decodes the value at a byte offset of a memory. The offset is a multiple of 4, and the caller has made sure that the
 * whole value lies within.
 */
export type Decoder<T = unknown> = (memory: Memory, offset: number) => T;

export interface DecoderOptions {
  /**
   * Whether 64-bit integers and pointers become bigint, always (true, the default), or only where a number would not be
   * exact (false).
   */
  readonly bigint?: boolean | undefined;
}

/** Structs and arrays of up to this many values are written out in place; larger ones get a function or a loop. */
const INLINE_VALUES = 256;
const UNROLLED_VALUES = 32;

/**
 * Compiles the decoder of a type. Integers up to 32 bits become number, 64-bit ones and pointers bigint, bool boolean,
 * an enum its name (or its number when it has no name), char arrays text up to the first NUL (see bytes/text.ts for
 * bytes that are not UTF-8), structs and unions objects with all their members, arrays arrays.
 *
 * @throws ObjectError when values of the type cannot be decoded: functions, void, forward declarations
 */
export function compileDecoder<T = unknown>(btf: Btf, typeId: number, options: DecoderOptions = {}): Decoder<T> {
  return new Generator(btf, options.bigint ?? true).compile(typeId) as Decoder<T>;
}

/** Where in the generated function a value is: a constant offset from `o`, which may be a multiple of 4. */
interface Place {
  readonly offset: number;
  /** Whether `o` is a multiple of 4. */
  readonly aligned: boolean;
  /** Bytes from `o` that belong to the value around it, which a wider load may touch. */
  readonly limit: number;
}

const VIEWS = "const u8 = m.u8, i32 = m.i32, u32 = m.u32, view = m.view, w = o >> 2;";
const sum = (base: string, offset: number) => (offset === 0 ? base : `${base} + ${offset}`);

class Generator {
  readonly #btf: Btf;
  readonly #bigint: boolean;
  readonly #little: boolean;
  readonly #counter: ValueCounter;
  /** What the generated code refers to as `c[i]`. */
  readonly #constants: unknown[] = [bitField];
  readonly #functions: string[] = [];
  /** Names of functions by type and alignment. */
  readonly #named = new Map<string, string>();

  constructor(btf: Btf, bigint: boolean) {
    this.#btf = btf;
    this.#bigint = bigint;
    this.#little = btf.byteOrder === "little";
    this.#counter = new ValueCounter(btf);
  }

  compile(typeId: number): unknown {
    this.#counter.count(typeId);
    const main = this.#function(this.#btf.resolve(typeId), true);
    return new Function("c", `"use strict";\n${this.#functions.join("\n")}\nreturn ${main};`)(this.#constants);
  }

  /** The name of a function (memory, offset) for a type. */
  #function(id: number, aligned: boolean): string {
    const key = `${id} ${aligned}`;
    const known = this.#named.get(key);
    if (known) return known;
    const name = `decode${this.#named.size}`;
    this.#named.set(key, name);
    const type = this.#btf.type(id);
    const limit = this.#btf.sizeOf(id);
    const place = { offset: 0, aligned, limit };
    const body = this.#isLoop(type) ? this.#loop(type, place) : `${VIEWS} return ${this.#inline(id, type, place)};`;
    this.#functions.push(`function ${name}(m, o) { ${body} }`);
    return name;
  }

  #isLoop(type: BtfType): type is BtfArray {
    return type.kind === "array" && !isChar(this.#btf.resolved(type.type)) && !this.#unrolled(type);
  }

  #unrolled(type: BtfArray): boolean {
    return type.length * this.#counter.count(type.type) <= UNROLLED_VALUES;
  }

  #loop(type: BtfArray, { aligned }: Place): string {
    const size = this.#btf.sizeOf(type.type);
    const element = this.#function(this.#btf.resolve(type.type), aligned && size % 4 === 0);
    const fill = `for (let i = 0; i < ${type.length}; i++) list[i] = ${element}(m, o + i * ${size});`;
    return `const list = new Array(${type.length}); ${fill} return list;`;
  }

  /** The expression of a value within another: written out when small, else a call. */
  #value(id: number, place: Place): string {
    const type = this.#btf.type(id);
    const large = this.#isLoop(type) || this.#counter.count(id) > INLINE_VALUES;
    if (!large) return this.#inline(id, type, place);
    return `${this.#function(id, place.aligned && place.offset % 4 === 0)}(m, ${sum("o", place.offset)})`;
  }

  #inline(id: number, type: BtfType, place: Place): string {
    switch (type.kind) {
      case "struct":
      case "union":
        return this.#object(id, type, place);
      case "array":
        return this.#array(type, place);
      case "var":
        return this.#value(this.#btf.resolve(type.type), place);
      case "int":
        return type.bool
          ? `${this.#load(type.size, false, place)} !== 0`
          : this.#integer(type.size, type.signed, place);
      case "enum":
      case "enum64":
        return this.#nameOf(type, this.#load(type.size, type.signed, place));
      case "float":
        return `view.getFloat${type.size * 8}(${sum("o", place.offset)}, ${this.#little})`;
      default:
        return this.#integer(8, false, place);
    }
  }

  #object(id: number, type: BtfComposite, place: Place): string {
    const fields = fieldsOf(this.#btf, id, type).map(
      (field) => `${propertyName(field.name)}: ${this.#field(field, place)}`,
    );
    return `({ ${fields.join(", ")} })`;
  }

  #field(field: Field, place: Place): string {
    if (field.bitSize > 0) return this.#bits(field, place);
    return this.#value(field.type, { ...place, offset: place.offset + field.bitOffset / 8 });
  }

  #array(type: BtfArray, place: Place): string {
    const element = this.#btf.resolve(type.type);
    if (isChar(this.#btf.type(element))) return this.#text(type.length, place);
    const size = this.#btf.sizeOf(element);
    const places = Array.from({ length: type.length }, (_, i) => ({ ...place, offset: place.offset + i * size }));
    return `[${places.map((at) => this.#value(element, at)).join(", ")}]`;
  }

  #text(length: number, { offset, aligned }: Place): string {
    if (length === 0) return '""';
    const reader: TextReader = textReader(length, aligned && offset % 4 === 0);
    return `c[${this.#constants.push(reader) - 1}](i32, u8, ${sum("o", offset)})`;
  }

  /** An integer as the caller sees it: 64-bit ones as bigint, or as number where exact. */
  #integer(size: number, signed: boolean, place: Place): string {
    if (size !== 8 || this.#bigint) return this.#load(size, signed, place);
    const { offset, aligned } = place;
    const whole = this.#load(8, signed, place);
    if (!aligned || offset % 4 !== 0 || !this.#little) return `c[${this.#constants.push(toNumber) - 1}](${whole})`;
    const low = `u32[${sum("w", offset / 4)}]`;
    const high = `${signed ? "i32" : "u32"}[${sum("w", offset / 4 + 1)}]`;
    const exact = signed ? `${high} >= -0x200000 && ${high} <= 0x1fffff` : `${high} <= 0x1fffff`;
    return `(${exact} ? ${high} * 4294967296 + ${low} : ${whole})`;
  }

  /** An integer of 1 to 4 bytes as number, of 8 and 16 as bigint. */
  #load(size: number, signed: boolean, { offset, aligned }: Place): string {
    const at = sum("o", offset);
    if (size === 1) return signed ? `(u8[${at}] << 24 >> 24)` : `u8[${at}]`;
    if (size === 4 && aligned && offset % 4 === 0 && this.#little)
      return `${signed ? "i32" : "u32"}[${sum("w", offset / 4)}]`;
    if (size === 2 && this.#little) {
      const half = `u8[${at}] | u8[${sum("o", offset + 1)}] << 8`;
      return signed ? `((${half}) << 16 >> 16)` : `(${half})`;
    }
    if (size < 8) return `view.get${signed ? "Int" : "Uint"}${size * 8}(${at}, ${this.#little})`;
    if (size === 8) return `view.getBig${signed ? "Int" : "Uint"}64(${at}, ${this.#little})`;
    const [low, high] = this.#little ? [offset, offset + 8] : [offset + 8, offset];
    const upper = `view.getBig${signed ? "Int" : "Uint"}64(${sum("o", high)}, ${this.#little}) << 64n`;
    return `(${upper} | view.getBigUint64(${sum("o", low)}, ${this.#little}))`;
  }

  #bits(field: Field, place: Place): string {
    const type = this.#btf.type(field.type);
    const signed = "signed" in type && type.signed;
    const value = this.#bitLoad(field.bitOffset + place.offset * 8, field.bitSize, signed, place);
    if (type.kind === "enum" || type.kind === "enum64") return this.#nameOf(type, value);
    return type.kind === "int" && type.bool ? `${value} !== 0` : value;
  }

  #bitLoad(bit: number, size: number, signed: boolean, { aligned, limit }: Place): string {
    const word = Math.floor(bit / 32);
    const shift = bit % 32;
    if (!this.#little || !aligned || shift + size > 32 || (word + 1) * 4 > limit) {
      return `c[0](u8, o, ${bit}, ${size}, ${signed}, ${this.#little}, ${this.#bigint})`;
    }
    const at = sum("w", word);
    if (signed) return `(i32[${at}] << ${32 - shift - size} >> ${32 - size})`;
    return size === 32 ? `u32[${at}]` : `(u32[${at}] >>> ${shift} & ${2 ** size - 1})`;
  }

  /** The name of an enum's value; of several names for one value the first. */
  #nameOf(type: BtfEnum | BtfEnum64, value: string): string {
    const big = type.kind === "enum64";
    const names = new Map<unknown, string>();
    for (const { name, value } of type.values) {
      const key = big === (type.size === 8) ? value : type.size === 8 ? BigInt(value) : Number(value);
      if (!names.has(key)) names.set(key, name);
    }
    const other = type.size === 8 && !this.#bigint ? toNumber : (number: unknown) => number;
    const lookUp = (number: unknown) => names.get(number) ?? other(number as bigint);
    return `c[${this.#constants.push(lookUp) - 1}](${value})`;
  }
}

/** A property of an object literal; `__proto__: x` would set the prototype, a computed one does not. */
const propertyName = (name: string) => (name === "__proto__" ? '["__proto__"]' : JSON.stringify(name));

function toNumber(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/**
 * Any bit-field, byte by byte: number up to 32 bits, bigint above (or number where exact). Little-endian fields count
 * bits from the least significant one, big-endian ones from the most significant one.
 */
function bitField(
  u8: Uint8Array,
  base: number,
  bit: number,
  size: number,
  signed: boolean,
  little: boolean,
  bigint: boolean,
): number | bigint {
  const first = bit >> 3;
  const last = (bit + size - 1) >> 3;
  let all = 0n;
  for (let i = first; i <= last; i++) {
    const byte = BigInt(u8[base + (little ? first + last - i : i)] as number);
    all = (all << 8n) | byte;
  }
  const above = (last + 1) * 8 - bit - size;
  const raw = BigInt.asUintN(size, all >> BigInt(little ? bit & 7 : above));
  const value = signed ? BigInt.asIntN(size, raw) : raw;
  if (size <= 32) return Number(value);
  return bigint ? value : toNumber(value);
}
