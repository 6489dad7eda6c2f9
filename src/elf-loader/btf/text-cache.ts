/**
 * Decoding of fixed-size text that repeats from event to event, such as a command name: a small direct-mapped cache
 * keyed by the raw words, so that a repeated text costs a few loads and compares instead of a new string.
 */
import { cString } from "../bytes/text.ts";

/** Entries a field. A command name or a message takes few different values in a row. */
const SLOTS = 256;
/** Longest text cached, words. */
const MAX_WORDS = 16;

export type TextReader = (i32: Int32Array, u8: Uint8Array, offset: number) => string;

/**
 * @param length bytes of the char array
 * @param aligned whether it always begins at a multiple of 4
 */
export function textReader(length: number, aligned: boolean): TextReader {
  const words = length / 4;
  if (!aligned || length % 4 !== 0 || words === 0 || words > MAX_WORDS) {
    return (_, u8, offset) => cString(u8, offset, offset + length);
  }
  return cachedReader(words);
}

/** Unrolled by code generation: with a loop over the words the cache is three times slower. */
function cachedReader(words: number): TextReader {
  const all = Array.from({ length: words }, (_, i) => i);
  // A fresh slot holds zero words, whose text is the empty string.
  const source = `
    const keys = new Int32Array(${SLOTS * words});
    const texts = new Array(${SLOTS}).fill("");
    return function text(i32, u8, offset) {
      const w = offset >> 2;
      ${all.map((i) => `const a${i} = i32[w + ${i}];`).join(" ")}
      let h = 0;
      ${all.map((i) => `h = Math.imul(h ^ a${i}, 0x9e3779b1); h ^= h >>> 15;`).join(" ")}
      h &= ${SLOTS - 1};
      const k = h * ${words};
      if (${all.map((i) => `keys[k + ${i}] === a${i}`).join(" && ")}) return texts[h];
      ${all.map((i) => `keys[k + ${i}] = a${i};`).join(" ")}
      return (texts[h] = cString(u8, offset, offset + ${words * 4}));
    };`;
  return new Function("cString", source)(cString) as TextReader;
}
