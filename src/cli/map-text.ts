// Keys and values of any map as a person reads and types them. What is shown is taken: where it would be taken for other
// bytes than were read, or for none, the bytes stand beside it: `ab = 61 62 00 78`. Text may have bytes behind its NUL, a
// struct between its members, and a bool may be 2.

import { type Codec, Memory, parseJson } from "../index.ts";
import { escapeText, unescapeText } from "./escape.ts";
import { jsonLine } from "./json.ts";

/** Text and numbers as they are, bytes as `01 02 ff`, all else as JSON with integers of any size. */
export function asText(value: unknown): string {
  if (value instanceof Shown) return value.text;
  if (value instanceof Uint8Array) return value.length === 1 ? `0x${value.toHex()}` : spaced(value);
  if (typeof value === "string") return escapeText(value);
  if (typeof value !== "object" || value === null) return String(value);
  return asJson(value);
}

const spaced = (bytes: Uint8Array) => bytes.toHex().replace(/..(?!$)/g, "$& ");

const asJson = (value: unknown) => jsonLine({ value }).slice('{"value":'.length, -1);

/** A key or value with the bytes it has in the kernel. */
export class Shown {
  readonly value: unknown;
  readonly bytes: Uint8Array;
  readonly #codec: Codec;

  constructor(codec: Codec, value: unknown, bytes: Uint8Array) {
    this.#codec = codec;
    this.value = value;
    this.bytes = bytes;
  }

  get text(): string {
    const text = asText(this.value);
    return this.#isTaken(text) ? text : `${text} = ${spaced(this.bytes)}`;
  }

  /** The bytes, where the value in a JSON line does not say them all. */
  get hex(): string | undefined {
    return this.#isTaken(asJson(this.value)) ? undefined : this.bytes.toHex();
  }

  /** Whether typing this gives the bytes. */
  #isTaken(text: string): boolean {
    if (isPlain(this.value)) return true;
    try {
      return isSame(this.bytes, typed(this.#codec, text).bytes);
    } catch {
      return false;
    }
  }
}

/** What is always taken as it is shown, and most of what maps have: bytes, and whole numbers but -0. */
const isPlain = (value: unknown) =>
  typeof value === "bigint" || value instanceof Uint8Array || (Number.isSafeInteger(value) && !Object.is(value, -0));

/**
 * What is read with its bytes; what is typed may be the value, the bytes in hexadecimal, or both as they are shown. A codec
 * that takes no bytes stays as it is: indexes say all, and what is a descriptor to be written is read as another number.
 */
export function shownCodec(codec: Codec): Codec {
  const { size } = codec;
  if (!takesBytes(codec, new Uint8Array(size).fill(1))) return codec;
  const decode = (memory: Memory, offset: number) =>
    new Shown(codec, codec.decode(memory, offset), memory.u8.slice(offset, offset + size));
  return {
    size,
    decode,
    encode: (value) => (value instanceof Shown ? value.bytes : codec.encode(value)),
    parse(text) {
      try {
        return typed(codec, text);
      } catch (error) {
        const bytes = bytesOf(text, size);
        if (!bytes) throw error;
        const shown = decode(Memory.from(bytes), 0);
        if (!/[ "]/.test(text) && isOne(shown.value)) throw error;
        return shown;
      }
    },
  };
}

/** What digits without spaces or quotes are not the bytes of: a number, and bytes that they may be as a number too. */
const isOne = (value: unknown) => value instanceof Uint8Array || !["string", "object"].includes(typeof value);

function typed(codec: Codec, text: string): Shown {
  const plain = parseJson(text) === text ? unescapeText(text) : text;
  const value = (codec.parse ?? parseJson)(plain);
  return new Shown(codec, value, codec.encode(value));
}

/** The bytes behind the equals sign, or all: in hexadecimal, with or without spaces or quotes. */
function bytesOf(text: string, size: number): Uint8Array<ArrayBuffer> | undefined {
  const hex = text
    .slice(text.lastIndexOf("=") + 1)
    .trim()
    .replace(/^"(.*)"$/, "$1")
    .replaceAll(" ", "");
  return hex.length === 2 * size && /^[0-9a-f]*$/i.test(hex) ? Uint8Array.fromHex(hex) : undefined;
}

function takesBytes(codec: Codec, bytes: Uint8Array): boolean {
  try {
    return isSame(codec.encode(bytes), bytes);
  } catch {
    return false;
  }
}

const isSame = (a: Uint8Array, b: Uint8Array) => a.length === b.length && a.every((byte, i) => byte === b[i]);
