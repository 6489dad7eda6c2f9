// What a key or a value of a map is in JavaScript: by the object's BTF, as bytes, or as the caller says.

import { type Btf, compileDecoder, compileEncoder, fromJson, isText, Memory, ObjectError } from "elf-loader";

/** Bytes to value and back. */
export interface Codec<T = unknown> {
  /** Bytes in the kernel. */
  readonly size: number;
  /** What BTF says of the value, where it is decoded by that. */
  readonly type?: { readonly btf: Btf; readonly id: number };
  /** The value at a byte offset of a memory, a multiple of 4. */
  decode(memory: Memory, offset: number): T;
  /** Exactly `size` bytes. Throws TypeError or ObjectError where the value does not fit. */
  encode(value: T): Uint8Array;
  /** What a person types, where it is not JSON or text as it stands. Throws TypeError where it is nothing of the kind. */
  parse?(text: string): T;
}

/** A codec of whatever type of value. */
export interface AnyCodec {
  readonly size: number;
  decode(memory: Memory, offset: number): unknown;
  encode(value: never): Uint8Array;
}

/** By BTF, or as bytes where there is none, or where the type is a whole data section. */
export function codecOf(btf: Btf | undefined, typeId: number, size: number): Codec {
  if (!btf || typeId === 0 || btf.type(typeId).kind === "datasec") return bytesCodec(size);
  const text = isText(btf, typeId);
  return takingBytes({
    size,
    type: { btf, id: typeId },
    decode: compileDecoder(btf, typeId),
    encode: compileEncoder(btf, typeId),
    parse(typed) {
      const json = parseJson(typed);
      return text && typeof json !== "string" ? typed : fromJson(btf, typeId, json);
    },
  });
}

/** The same codec, which takes bytes as they are as well: they may say more than any value. */
export function takingBytes<T>(codec: Codec<T>): Codec<T> {
  const { size } = codec;
  return {
    ...codec,
    encode: (value) => (value instanceof Uint8Array && value.byteLength === size ? value : codec.encode(value)),
  };
}

/** What a person types as a value of a codec. Throws TypeError where it does not fit. */
export function fromText(codec: Codec, text: string): unknown {
  try {
    const value = (codec.parse ?? parseJson)(text);
    codec.encode(value);
    return value;
  } catch (error) {
    throw error instanceof ObjectError ? new TypeError(error.message) : error;
  }
}

/** The same within JSON. */
export function fromItem(codec: Codec, item: unknown): unknown {
  const plain = (_: string, value: unknown) => (typeof value === "bigint" ? `${value}` : value);
  return fromText(codec, typeof item === "bigint" ? `${item}` : (JSON.stringify(item, plain) ?? ""));
}

/** What does not fit, in a message about it. */
export function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (value instanceof Uint8Array) return `${value.byteLength} bytes`;
  if (Array.isArray(value)) return `an array of ${value.length}`;
  return typeof value === "object" && value !== null ? "an object" : String(value);
}

/** Bytes as they are. */
export function bytesCodec(size: number): Codec<Uint8Array> {
  return {
    size,
    decode: (memory, offset) => memory.u8.slice(offset, offset + size),
    encode(value) {
      if (value instanceof Uint8Array && value.byteLength === size) return value;
      throw new TypeError(`Cannot encode ${shown(value)}: expected a Uint8Array of ${size} bytes`);
    },
    parse: (text) => parseBytes(text, size),
  };
}

/**
 * Bytes in hexadecimal, with or without spaces, as JSON in quotes; or with 0x in front or in decimal one little-endian
 * number. Digits that may be either are refused.
 */
function parseBytes(text: string, size: number): Uint8Array {
  const hex = text.replace(/^"(.*)"$/, "$1").replaceAll(" ", "");
  if (hex.length === 2 * size && /^[0-9a-f]*$/i.test(hex)) {
    if (!/^[1-9]\d*$/.test(text)) return Uint8Array.fromHex(hex);
    const [spaced, number] = [text.replace(/..(?!$)/g, "$& "), `0x${BigInt(text).toString(16)}`];
    throw new TypeError(
      `Cannot read ${text} as ${size} bytes: as hexadecimal it is "${spaced}", as a number ${number}`,
    );
  }
  const number = /^(0x[0-9a-f]+|\d+)$/i.test(text) ? BigInt(text) : -1n;
  if (number < 0n || number >> BigInt(8 * size) > 0n)
    throw new TypeError(`Cannot read ${JSON.stringify(text)} as ${size} bytes: expected hexadecimal, or a number`);
  return Uint8Array.from({ length: size }, (_, i) => Number((number >> BigInt(8 * i)) & 0xffn));
}

/** JSON, with integers that a double does not hold as bigints; what is no JSON is text. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text, ((_key: string, value: unknown, { source }: { source: string }) =>
      typeof value === "number" && !Number.isSafeInteger(value) && /^-?\d+$/.test(source)
        ? BigInt(source)
        : value) as never);
  } catch {
    return text;
  }
}

/** An array has fewer entries (array_map_alloc_check). */
const NO_INDEX = 0xffff_ffff;

/** The bytes of an index as key; what is no index at all becomes the one that no array has. */
export function indexKey(index: number): Uint8Array {
  const valid = Number.isInteger(index) && index >= 0 && index < NO_INDEX;
  return new Uint8Array(new Uint32Array([valid ? index : NO_INDEX]).buffer);
}

function parseIndex(text: string): number {
  if (/^(\d+|0x[0-9a-f]+)$/i.test(text)) return Number(text);
  throw new TypeError(`Cannot read ${JSON.stringify(text)} as an index: expected a whole number`);
}

/** Keys of arrays. */
export const indexCodec: Codec<number> = {
  size: 4,
  decode: (memory, offset) => memory.view.getUint32(offset, true),
  encode: indexKey,
  parse: parseIndex,
};

/** Zeroed memory for one key or value, its views aligned for the decoders. */
export function scratch(bytes: number): Memory {
  return new Memory(new ArrayBuffer(Math.max(8, (bytes + 7) & ~7)));
}
