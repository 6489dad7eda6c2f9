// Text from strangers on a terminal: no byte that it would obey, and nothing shown that could be two things.

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { escapeLine, escapeMessage, escapeText, unescapeText } from "../../src/cli/escape.ts";
import { bytesToString } from "../../src/elf-loader/bytes/text.ts";

const bytes = (...values: number[]) => bytesToString(Uint8Array.from(values), 0, values.length);
const ANYTHING = fc.uint8Array({ minLength: 0, maxLength: 15 });

/** The bytes that an escaped text stands for. */
function bytesShown(text: string): number[] {
  const result: number[] = [];
  for (const [all, hex, point] of text.matchAll(/\\x([0-9a-f]{2})|\\u\{([0-9a-f]+)\}|\\\\|[^\\]/gu)) {
    if (point) result.push(...Buffer.from(String.fromCodePoint(Number.parseInt(point, 16))));
    else if (hex) result.push(Number.parseInt(hex, 16));
    else result.push(...Buffer.from(all === "\\\\" ? "\\" : all));
  }
  return result;
}

describe("escapeText", () => {
  test("leaves what is harmless", () => {
    for (const text of ["", "sh", "kworker/0:1", "näh", "🐝", "a b", "\"'`$", "日本"])
      expect(escapeText(text)).toBe(text);
  });

  test("shows each control character as its code", () => {
    for (let code = 0; code < 0x20; code++)
      expect(escapeText(String.fromCharCode(code))).toBe(`\\x${code.toString(16).padStart(2, "0")}`);
    for (let code = 0x7f; code < 0xa0; code++)
      expect(escapeText(String.fromCharCode(code))).toBe(`\\u{00${code.toString(16)}}`.replace("u{007f}", "x7f"));
  });

  test("shows bytes that are not UTF-8 as bytes", () => {
    expect(escapeText(bytes(0x61, 0xff, 0x62))).toBe("a\\xffb");
    expect(escapeText(bytes(0xc3))).toBe("\\xc3");
    expect(escapeText(bytes(0xed, 0xa0, 0x80))).toBe("\\xed\\xa0\\x80");
    expect(escapeText(bytes(0xf0, 0x9f, 0x90))).toBe("\\xf0\\x9f\\x90");
  });

  test("shows what turns or breaks lines", () => {
    for (const code of [0x61c, 0x200e, 0x200f, 0x2028, 0x2029, 0x202a, 0x202e, 0x2066, 0x2069])
      expect(escapeText(String.fromCharCode(code))).toBe(`\\u{${code.toString(16).padStart(4, "0")}}`);
  });

  test("doubles a backslash, so that an escape cannot be forged", () => {
    expect(escapeText("\\x1b")).toBe("\\\\x1b");
    expect(escapeText("\\")).not.toBe(escapeText("\\\\"));
  });

  test("any bytes: nothing dangerous comes out, and different bytes look different", () => {
    fc.assert(
      fc.property(ANYTHING, (input) => {
        const text = escapeText(bytes(...input));
        expect(text).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/);
        expect(text.isWellFormed()).toBe(true);
      }),
      { numRuns: 5000 },
    );
    fc.assert(
      fc.property(ANYTHING, (input) => expect(bytesShown(escapeText(bytes(...input)))).toEqual([...input])),
      {
        numRuns: 5000,
      },
    );
  });
});

describe("unescapeText", () => {
  test("any bytes: gives back what was escaped", () => {
    fc.assert(
      fc.property(ANYTHING, (input) => {
        const text = bytes(...input);
        expect(unescapeText(escapeText(text))).toBe(text);
      }),
      { numRuns: 5000 },
    );
  });

  test("a backslash that begins no escape is one", () => {
    expect(unescapeText("C:\\dir\\x4\\u{}\\X41\\")).toBe("C:\\dir\\x4\\u{}\\X41\\");
  });
});

test("escapeLine keeps backslashes, as the kernel's line has them, and no control character", () => {
  expect(escapeLine("  sh-1 [000] a\\b: Hello")).toBe("  sh-1 [000] a\\b: Hello");
  expect(escapeLine("a\x1b[2Jb\tc")).toBe("a\\x1b[2Jb\\x09c");
});

test("escapeMessage keeps tabs besides", () => {
  expect(escapeMessage("0: (b7)\tr0 = 0 \\ \x1b")).toBe("0: (b7)\tr0 = 0 \\ \\x1b");
});
