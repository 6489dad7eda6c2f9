// CPU lists of the kernel (Documentation/admin-guide/cputopology.rst), and this machine's own.

import { expect, test } from "bun:test";
import { cpus } from "node:os";
import { onlineCpus, parseCpuList, possibleCpuCount } from "../../src/host/cpus.ts";

test("ranges, single numbers and both, with gaps", () => {
  for (const [text, list] of [
    ["0\n", [0]],
    ["0-3\n", [0, 1, 2, 3]],
    ["0-1,4,6-7\n", [0, 1, 4, 6, 7]],
    ["2-2", [2]],
    ["", []],
    ["\n", []],
  ] as const) {
    expect(parseCpuList(text)).toEqual([...list]);
  }
  expect(parseCpuList("0-4095").length).toBe(4096);
});

test("what is no list is refused, not taken for an empty one", () => {
  for (const text of ["a", "0-", "-1", "0..3", "0 1", "0-3:1/2", "1,x", "0x1"])
    expect(() => parseCpuList(text)).toThrow("Cannot parse CPU list");
});

test("this machine's CPUs are those that Bun counts, and no more are online than possible", () => {
  expect(onlineCpus().length).toBe(cpus().length);
  expect(possibleCpuCount()).toBeGreaterThanOrEqual(onlineCpus().length);
});
