// Writes and reads C structs by the layouts of elf-loader/uapi, in this machine's byte order (every machine that
// Bun runs on is little-endian).

import type { Layout } from "elf-loader/uapi";
import { type Address, addressOf } from "./libc.ts";

/** Numbers by value; a TypedArray by its address where the field is a pointer, by its bytes where it is an array. */
export type Fields = { readonly [field: string]: Address | bigint | undefined };

const POINTER_SIZE = 8;

/** The struct's bytes, zero where no field is given, and the end of its last field that is not zero. */
export function encodeStruct(layout: Layout, fields: Fields): { bytes: Uint8Array; size: number } {
  const bytes = new Uint8Array(layout.size);
  const view = new DataView(bytes.buffer);
  let size = 0;
  for (const name in fields) {
    const value = fields[name];
    if (value === undefined || value === 0 || value === 0n) continue;
    const [offset, width] = layout.fields[name] ?? writeBits(layout, view, name, value);
    if (layout.fields[name]) writeField(view, offset, width, value);
    size = Math.max(size, offset + width);
  }
  return { bytes, size };
}

/** Sets a bit-field of at most 8 bits within one byte, and answers where that byte is. */
function writeBits(layout: Layout, view: DataView, name: string, value: Address | bigint): readonly [number, number] {
  const [offset, width] = layout.bits?.[name] ?? [];
  if (offset === undefined || width === undefined) throw new Error(`No field ${name} in struct ${layout.name}`);
  const [byte, shift] = [offset >> 3, offset & 7];
  view.setUint8(byte, view.getUint8(byte) | ((Number(value) & ((1 << width) - 1)) << shift));
  return [byte, 1];
}

function writeField(view: DataView, offset: number, size: number, value: Address | bigint): void {
  if (typeof value === "object" && size > POINTER_SIZE) {
    const source = new Uint8Array(value.buffer, value.byteOffset, Math.min(value.byteLength, size));
    new Uint8Array(view.buffer, offset, size).set(source);
    return;
  }
  const number = typeof value === "object" ? addressOf(value) : value;
  if (size === 8) view.setBigInt64(offset, BigInt(number), true);
  else if (size === 4) view.setInt32(offset, Number(number), true);
  else if (size === 2) view.setInt16(offset, Number(number), true);
  else view.setInt8(offset, Number(number));
}

/** An unsigned field of up to eight bytes; above 2^53 it is rounded (identifiers and counters here are smaller). */
export function readField(layout: Layout, bytes: Uint8Array, name: string): number {
  const field = layout.fields[name];
  if (!field) throw new Error(`No field ${name} in struct ${layout.name}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [offset, size] = field;
  if (offset + size > bytes.byteLength) return 0;
  if (size === 8) return Number(view.getBigUint64(offset, true));
  return size === 4 ? view.getUint32(offset, true) : size === 2 ? view.getUint16(offset, true) : view.getUint8(offset);
}
