// Numbers with units, as people write them on a command line.

import { describe, expect, test } from "bun:test";
import { UsageError } from "../../src/cli/exit-status.ts";
import { parseDuration, parseInteger, parseSeconds, parseSize } from "../../src/cli/units.ts";

const refused = (parse: (text: string) => number, texts: readonly string[]) => {
  for (const text of texts) {
    expect(() => parse(text)).toThrow(UsageError);
    expect(() => parse(text)).toThrow(JSON.stringify(text)); // what was wrong is said
  }
};

test("a duration has a unit, and is milliseconds", () => {
  const cases = {
    "500ms": 500,
    "10s": 10_000,
    "2m": 120_000,
    "1h": 3_600_000,
    "596h": 596 * 3_600_000,
    "1.5s": 1500,
    "0.5ms": 0.5,
  };
  for (const [text, milliseconds] of Object.entries(cases)) expect(parseDuration(text)).toBe(milliseconds);
  refused(parseDuration, [
    "",
    "10",
    "s",
    "-1s",
    "+1s",
    " 1s",
    "1s ",
    "1S",
    "1d",
    "0s",
    "0.0ms",
    "1e3s",
    "597h",
    "1.s",
    "٣s",
  ]);
});

test("a size is bytes, with K, M or G of 1024", () => {
  const cases = { "1": 1, "65536": 65536, "64K": 65536, "64k": 65536, "8M": 8 << 20, "1G": 2 ** 30 };
  for (const [text, bytes] of Object.entries(cases)) expect(parseSize(text)).toBe(bytes);
  expect(parseSize("64KiB")).toBe(65536);
  refused(parseSize, ["", "0", "K", "-1", "1.5M", "1T", "3G", "2147483649", "0x10", "1 K", "99999999999999999999"]);
});

test("seconds have no unit, and are milliseconds", () => {
  const cases = { "2": 2000, "0.5": 500, ".25": 250, "0.001": 1, "60": 60_000 };
  for (const [text, milliseconds] of Object.entries(cases)) expect(parseSeconds(text)).toBe(milliseconds);
  refused(parseSeconds, ["", "0", "0.0001", "-1", "2s", "1e3", "Infinity", "NaN", "9999999999", "2147483.648"]);
  expect(parseSeconds("2147483.647")).toBe(2147483647);
  for (const text of ["0.0001", "1e9"]) expect(() => parseSeconds(text)).toThrow("from 0.001 to 2147483.647 ");
  expect(() => parseDuration("597h")).toThrow("up to 596h ");
});

describe("a whole number", () => {
  test("keeps its range, both ends included", () => {
    expect(parseInteger("1", 1, 10)).toBe(1);
    expect(parseInteger("10", 1, 10)).toBe(10);
    expect(parseInteger("007", 1, 10)).toBe(7);
    expect(parseInteger("4294967294", 0, 2 ** 32 - 2)).toBe(4294967294);
    refused((text) => parseInteger(text, 1, 10), ["", "0", "11", "-1", "+1", "1.0", "1e0", "0x1", " 1", "1n", "one"]);
  });

  test("says the range", () => {
    expect(() => parseInteger("0", 1, 10)).toThrow("from 1 to 10");
  });
});
