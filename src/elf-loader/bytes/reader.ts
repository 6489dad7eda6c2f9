/** Reads of untrusted bytes, each checked: what lies outside gives an ObjectError naming section and offset. */
import { ObjectError } from "../errors.ts";
import { bytesToString } from "./text.ts";

/** One section's bytes, or a whole file's. */
export class Reader {
  readonly bytes: Uint8Array;
  readonly section: string;
  readonly littleEndian: boolean;
  readonly #view: DataView;

  constructor(bytes: Uint8Array, section: string, littleEndian: boolean) {
    // Never a subclass: slice() of Node's Buffer is no copy, and what is relocated would be the caller's own bytes.
    this.bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.section = section;
    this.littleEndian = littleEndian;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get size(): number {
    return this.bytes.byteLength;
  }

  error(message: string, offset: number): ObjectError {
    return new ObjectError(message, this.section, offset);
  }

  /** Checks that [offset, offset + length) lies within. */
  need(offset: number, length: number, what: string): void {
    if (offset < 0 || length < 0 || offset + length > this.size) {
      const end = `0x${this.size.toString(16)}`;
      throw this.error(
        `Cannot read ${what} at ${this.section}+0x${offset.toString(16)}: beyond the end (${end})`,
        offset,
      );
    }
  }

  u8(offset: number, what: string): number {
    this.need(offset, 1, what);
    return this.#view.getUint8(offset);
  }

  u16(offset: number, what: string): number {
    this.need(offset, 2, what);
    return this.#view.getUint16(offset, this.littleEndian);
  }

  u32(offset: number, what: string): number {
    this.need(offset, 4, what);
    return this.#view.getUint32(offset, this.littleEndian);
  }

  /** A 64-bit number that counts bytes; above 2^53 it is off by little and beyond every end all the same. */
  u64(offset: number, what: string): number {
    this.need(offset, 8, what);
    const [low, high] = this.littleEndian ? [0, 4] : [4, 0];
    return (
      this.#view.getUint32(offset + high, this.littleEndian) * 2 ** 32 +
      this.#view.getUint32(offset + low, this.littleEndian)
    );
  }

  slice(offset: number, length: number, what: string): Uint8Array {
    this.need(offset, length, what);
    return this.bytes.subarray(offset, offset + length);
  }

  /** The NUL-terminated name at offset, of any length. Where the file may ask for many of them: see StringTable. */
  name(offset: number, what: string): string {
    this.need(offset, 1, what);
    const end = this.bytes.indexOf(0, offset);
    if (end < 0) throw this.error(`Cannot read ${what}: it does not end in ${this.section}`, offset);
    return bytesToString(this.bytes, offset, end);
  }
}

/**
 * A string table. Names may share bytes, so that a small table could be read as many long names: each is decoded once,
 * and all of them together may not be more than SHARING times the table.
 */
export class StringTable {
  readonly #reader: Reader;
  readonly #names = new Map<number, string>();
  #left: number;

  constructor(reader: Reader) {
    this.#reader = reader;
    this.#left = reader.size * SHARING;
  }

  /** The name at an offset; `what` says whose it is, for the error. */
  get(offset: number, what: string): string {
    const known = this.#names.get(offset);
    if (known !== undefined) return known;
    const name = this.#reader.name(offset, what);
    this.#left -= name.length;
    if (this.#left < 0) throw this.#reader.error(`Cannot read ${what}: the names overlap`, offset);
    this.#names.set(offset, name);
    return name;
  }
}

/** Compilers share the ends of names at most: `bar` inside `foobar`. */
export const SHARING = 8;

/** Swaps the bytes of every 32-bit word in place; bytes.length is a multiple of 4. */
export function swapWords(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + 4 <= bytes.length; at += 4) view.setUint32(at, view.getUint32(at, true), false);
  return bytes;
}
