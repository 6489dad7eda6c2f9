// Text of strangers: nothing is lost, and valid UTF-8 is what TextDecoder says.
import { expect, test } from "bun:test";
import { bytesToString, cString, escapedByte, isEscapedByte, stringToBytes } from "elf-loader";
import fc from "fast-check";

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Bytes that are often nearly UTF-8. */
const nearly = fc
  .tuple(fc.string({ unit: "binary" }), fc.uint8Array({ maxLength: 4 }), fc.string({ unit: "binary" }))
  .map(([a, b, c]) => Uint8Array.from([...new TextEncoder().encode(a), ...b, ...new TextEncoder().encode(c)]));

test("any bytes come back", () => {
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array(), nearly), (bytes) => {
      expect(stringToBytes(bytesToString(bytes))).toEqual(bytes);
    }),
    { numRuns: 5000 },
  );
});

test("valid UTF-8 is decoded as everywhere, and only invalid bytes are escaped", () => {
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array(), nearly), (bytes) => {
      let expected: string | undefined;
      try {
        expected = utf8.decode(bytes);
      } catch {}
      const text = bytesToString(bytes);
      if (expected === undefined) expect(text.isWellFormed()).toBeFalse();
      else expect(text).toBe(expected);
    }),
    { numRuns: 5000 },
  );
});

test("an escaped byte tells which", () => {
  const text = bytesToString(Uint8Array.of(0x61, 0xff, 0x80));
  expect(text).toBe("a\udcff\udc80");
  expect([...text].map((unit) => isEscapedByte(unit.charCodeAt(0)))).toEqual([false, true, true]);
  expect(escapedByte(text.charCodeAt(1))).toBe(0xff);
  // Overlong, a surrogate, beyond U+10FFFF: invalid to the last byte.
  for (const bytes of [
    [0xc0, 0x80],
    [0xed, 0xa0, 0x80],
    [0xf4, 0x90, 0x80, 0x80],
    [0xe0, 0x80, 0x80],
  ]) {
    const escaped = bytesToString(Uint8Array.from(bytes));
    expect([...escaped].every((unit) => isEscapedByte(unit.charCodeAt(0)))).toBeTrue();
    expect(escaped.length).toBe(bytes.length);
  }
});

test("C strings end at the first NUL or at the end", () => {
  expect(cString(Uint8Array.of(97, 98, 0, 99), 0, 4)).toBe("ab");
  expect(cString(Uint8Array.of(97, 98, 99), 0, 3)).toBe("abc");
  expect(cString(Uint8Array.of(0, 98), 0, 2)).toBe("");
});

test("a lone surrogate that stands for no byte is replaced", () => {
  expect(stringToBytes("\ud800a")).toEqual(Uint8Array.of(0xef, 0xbf, 0xbd, 97));
});
