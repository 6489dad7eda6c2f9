/**
 * Text that strangers wrote, without losing a byte of it: UTF-8 where it is valid, and each byte that is not becomes the
 * lone surrogate U+DC80 + (byte - 0x80), as in Python's "surrogateescape" (PEP 383). Valid UTF-8 never decodes to a lone
 * surrogate, so `stringToBytes(bytesToString(b))` is `b` for every `b`.
 */

const ESCAPE_BASE = 0xdc00;
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** Whether a UTF-16 code unit that has no high surrogate before it stands for one undecodable byte. */
export function isEscapedByte(codeUnit: number): boolean {
  return codeUnit >= 0xdc80 && codeUnit <= 0xdcff;
}

/** The byte (0x80 to 0xff) behind a code unit for which `isEscapedByte` holds. */
export function escapedByte(codeUnit: number): number {
  return codeUnit - ESCAPE_BASE;
}

/**
 * Of bytes below 0x80: a string in one piece, in a fifth of the time of one put together byte by byte, which would keep
 * each of its beginnings as well, 16 KB for a name of 512 bytes. Every Buffer of Node and Bun has it.
 */
const asciiSlice = (
  Buffer.prototype as unknown as { latin1Slice(this: Uint8Array, start: number, end: number): string }
).latin1Slice;

/** Decodes bytes[start, end), NULs included. @throws RangeError where they do not lie within */
export function bytesToString(bytes: Uint8Array, start = 0, end = bytes.length): string {
  for (let i = start; i < end; i++) if ((bytes[i] as number) >= 0x80) return decodeUtf8(bytes, start, end);
  return asciiSlice.call(bytes, start, end);
}

/** Decodes up to the first NUL in bytes[start, end), or all of it that is there. */
export function cString(bytes: Uint8Array, start: number, end: number): string {
  const last = Math.min(end, bytes.length);
  let stop = start;
  while (stop < last && bytes[stop] !== 0) stop++;
  return bytesToString(bytes, start, stop);
}

/** From this many bytes on the platform's decoder is faster than ours, and takes no more memory than the text. */
const LONG = 512;

function decodeUtf8(bytes: Uint8Array, start: number, end: number): string {
  if (end - start >= LONG) {
    try {
      return utf8.decode(bytes.slice(start, end));
    } catch {} // some of it is none
  }
  let text = "";
  let points: number[] = [];
  for (let i = start; i < end; ) {
    const length = sequenceLength(bytes, i, end);
    points.push(length === 0 ? ESCAPE_BASE + (bytes[i] as number) : codePoint(bytes, i, length));
    i += length || 1;
    if (points.length < AT_ONCE) continue;
    text += String.fromCodePoint(...points);
    points = [];
  }
  return text + String.fromCodePoint(...points);
}

/** Arguments of a call that no engine minds. */
const AT_ONCE = 4096;

function codePoint(bytes: Uint8Array, i: number, length: number): number {
  const lead = bytes[i] as number;
  let point = length === 1 ? lead : lead & (0x7f >> length);
  for (let k = 1; k < length; k++) point = (point << 6) | ((bytes[i + k] as number) & 0x3f);
  return point;
}

/** Bytes of the valid UTF-8 sequence at i, 0 when there is none: The Unicode Standard, table 3-7. */
function sequenceLength(bytes: Uint8Array, i: number, end: number): number {
  const lead = bytes[i] as number;
  if (lead < 0x80) return 1;
  const length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || i + length > end) return 0;
  const [low, high] = SECOND_BYTE[lead] ?? [0x80, 0xbf];
  const second = bytes[i + 1] as number;
  if (second < low || second > high) return 0;
  for (let k = 2; k < length; k++) if (((bytes[i + k] as number) & 0xc0) !== 0x80) return 0;
  return length;
}

/** Where the second byte is restricted: no overlong forms, no surrogates, nothing above U+10FFFF. */
const SECOND_BYTE: { readonly [lead: number]: readonly [number, number] } = {
  224: [0xa0, 0xbf],
  237: [0x80, 0x9f],
  240: [0x90, 0xbf],
  244: [0x80, 0x8f],
};

/** The bytes a decoded string came from. A lone surrogate that stands for no byte becomes U+FFFD, as in TextEncoder. */
export function stringToBytes(text: string): Uint8Array {
  if (text.isWellFormed()) return encoder.encode(text);
  const parts: Uint8Array[] = [];
  // Iterating by code point: a lone surrogate is a step of its own.
  for (const point of text) {
    const code = point.charCodeAt(0);
    parts.push(isEscapedByte(code) ? Uint8Array.of(escapedByte(code)) : encoder.encode(point));
  }
  return concat(parts);
}

/** One array of all parts, in order. */
export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
