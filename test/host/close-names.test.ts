// Names that somebody may have meant.

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { closeNames, distance } from "../../src/host/close-names.ts";
import { syscallNames } from "../../src/index.ts";

/** By the definition of optimal string alignment, without a table. */
function slips(a: string, b: string): number {
  if (a === "" || b === "") return a.length + b.length;
  const [shortA, shortB] = [a.slice(0, -1), b.slice(0, -1)];
  const same = a.at(-1) === b.at(-1) ? 0 : 1;
  const swapped = a.length > 1 && b.length > 1 && a.at(-1) === b.at(-2) && a.at(-2) === b.at(-1);
  return Math.min(
    slips(shortA, shortB) + same,
    slips(shortA, b) + 1,
    slips(a, shortB) + 1,
    swapped ? slips(a.slice(0, -2), b.slice(0, -2)) + 1 : Number.POSITIVE_INFINITY,
  );
}

test("the distance is that of the definition, up to the most that is asked for", () => {
  const word = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 6 });
  fc.assert(
    fc.property(word, word, fc.integer({ min: 1, max: 8 }), (a, b, most) => {
      const expected = slips(a, b);
      const found = distance(a, b, most);
      if (expected <= most) expect(found).toBe(expected);
      else expect(found).toBeGreaterThan(most);
    }),
    { numRuns: 2000 },
  );
});

test("names of any length are compared", () => {
  expect(distance("a".repeat(700), `${"a".repeat(699)}b`, 3)).toBe(1);
});

describe("closeNames", () => {
  test("finds what a slip of the finger leads to, the closest first", () => {
    const cases = { exceve: "execve", execv: "execve", opemat: "openat", getpidd: "getpid", unlnik: "unlink" };
    for (const [slip, meant] of Object.entries(cases)) expect(closeNames(slip, syscallNames())[0]).toBe(meant);
  });

  test("says no more than five, and none where nothing is close", () => {
    expect(closeNames("get", syscallNames()).length).toBeLessThanOrEqual(5);
    expect(closeNames("zzzzzzzz", syscallNames())).toEqual([]);
    expect(closeNames("", syscallNames())).toEqual([]);
  });

  test("a good part of the name counts, three letters of twenty do not", () => {
    expect(closeNames("vfs_read", ["read", "vfs_read_and_more"])).toEqual(["read", "vfs_read_and_more"]);
    expect(closeNames("__x64_sys_create_module", ["eat"])).toEqual([]);
  });
});
