// JSON lines that any reader takes.

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { jsonLine } from "../../src/cli/json.ts";
import { bytesToString } from "../../src/elf-loader/bytes/text.ts";

const fromBytes = (input: Uint8Array) => bytesToString(input, 0, input.length);

describe("numbers", () => {
  test("are numbers where a double holds them, else decimal strings", () => {
    const cases: [bigint, unknown][] = [
      [0n, 0],
      [-1n, -1],
      [2n ** 53n - 1n, 2 ** 53 - 1],
      [-(2n ** 53n) + 1n, -(2 ** 53) + 1],
      [2n ** 53n, "9007199254740992"],
      [2n ** 64n - 1n, "18446744073709551615"],
      [-(2n ** 63n), "-9223372036854775808"],
    ];
    for (const [value, expected] of cases) expect(JSON.parse(jsonLine({ value }))).toEqual({ value: expected });
  });

  test("that JSON has none of are their names", () => {
    expect(jsonLine({ value: [Number.NaN, { least: -Infinity }], most: Infinity })).toBe(
      '{"value":["NaN",{"least":"-Infinity"}],"most":"Infinity"}',
    );
  });

  test("also in what is nested", () => {
    expect(jsonLine({ entries: [{ key: 0n, value: 2n ** 60n }] })).toBe(
      '{"entries":[{"key":0,"value":"1152921504606846976"}]}',
    );
  });
});

describe("text", () => {
  test("that was not UTF-8 is valid all the same, and its bytes are beside it", () => {
    const line = jsonLine({ command: fromBytes(Uint8Array.of(0x61, 0xff, 0xfe)) });
    expect(JSON.parse(line)).toEqual({ command: "a\ufffd\ufffd", command_hex: "61fffe" });
  });

  test("that was UTF-8 has nothing beside it", () => {
    expect(jsonLine({ command: "näh🐝" })).toBe('{"command":"näh🐝"}');
  });

  test("any bytes: one line, valid UTF-8, parsed to what it was, and nothing that a terminal obeys", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 15 }), (input) => {
        const line = jsonLine({ command: fromBytes(input) });
        expect(line.isWellFormed()).toBe(true);
        expect(line).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/);
        const { command, command_hex } = JSON.parse(line);
        const known = command_hex === undefined ? Buffer.from(command) : Buffer.from(command_hex, "hex");
        expect([...known]).toEqual([...input]);
      }),
      { numRuns: 5000 },
    );
  });
});
