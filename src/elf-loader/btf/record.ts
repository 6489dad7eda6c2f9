/**
 * Decoders of records, whose length is not their type's: what a shorter one has not is zero, and the array without a
 * length that a struct may end in (`char text[]`) is as long as the record is.
 */
import { Memory } from "../bytes/memory.ts";
import { cString } from "../bytes/text.ts";
import type { Btf } from "./btf.ts";
import { compileDecoder } from "./decoder.ts";
import { isText } from "./json.ts";

/** Decodes the `length` bytes at a byte offset of a memory, a multiple of 4. */
export type RecordDecoder<T = unknown> = (memory: Memory, offset: number, length: number) => T;

/** As `compileDecoder`, for records of any length. @throws ObjectError as that does */
export function compileRecordDecoder<T = unknown>(btf: Btf, typeId: number): RecordDecoder<T> {
  const decode = compileDecoder<T>(btf, typeId);
  const size = btf.sizeOf(typeId);
  const fixed: RecordDecoder<T> = (memory, offset, length) => {
    if (length >= size) return decode(memory, offset);
    const whole = new Memory(new ArrayBuffer((size + 7) & ~7));
    whole.u8.set(memory.u8.subarray(offset, offset + length));
    return decode(whole, 0);
  };
  const rest = lastArray(btf, typeId);
  if (!rest) return fixed;
  return (memory, offset, length) => {
    const bytes = memory.u8.subarray(Math.min(offset + rest.offset, offset + length), offset + length);
    return { ...fixed(memory, offset, length), [rest.name]: rest.decode(bytes) };
  };
}

interface LastArray {
  readonly name: string;
  /** Bytes from the start of the struct: padding behind it may make the struct longer. */
  readonly offset: number;
  /** Of all bytes of the record from there. */
  readonly decode: (bytes: Uint8Array) => unknown;
}

function lastArray(btf: Btf, id: number): LastArray | undefined {
  const struct = btf.resolved(id);
  const last = struct.kind === "struct" ? struct.members.at(-1) : undefined;
  const array = last && btf.resolved(last.type);
  if (!last || array?.kind !== "array" || array.length > 0) return undefined;
  const { name, bitOffset } = last;
  const place = { name, offset: bitOffset / 8 };
  if (isText(btf, last.type)) return { ...place, decode: (bytes) => cString(bytes, 0, bytes.length) };
  const size = btf.sizeOf(array.type);
  if (size === 0) return undefined;
  const decode = compileDecoder(btf, array.type);
  const item = (bytes: Uint8Array) => decode(Memory.from(bytes), 0); // aligned by the copy, as decoders want it
  return {
    ...place,
    decode: (bytes) =>
      Array.from({ length: Math.floor(bytes.length / size) }, (_, i) => item(bytes.subarray(i * size, (i + 1) * size))),
  };
}
