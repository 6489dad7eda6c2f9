// The table of privileges holds what a mode cannot do without, and a README that says otherwise is found out.

import { expect, test } from "bun:test";
import { comparePrivileges, renderPrivileges, unproven } from "../../scripts/release/privileges.ts";

const PRINTED = [
  "PRIVILEGES ring BPF,PERFMON - root -",
  "PRIVILEGES ring BPF,PERFMON - any -",
  "PRIVILEGES ring BPF,PERFMON tracefs root -",
  "something else",
  "PRIVILEGES lru BPF,PERFMON - any -",
  "PRIVILEGES map BPF,PERFMON - any BPF",
  "PRIVILEGES map BPF,PERFMON - any BPF",
  "PRIVILEGES trace BPF,PERFMON tracefs root -",
  "PRIVILEGES trace SYS_ADMIN tracefs root -",
  "PRIVILEGES trace SYS_ADMIN - root -",
  "PRIVILEGES trace BPF,PERFMON,SYS_ADMIN - root -",
  "PRIVILEGES trace BPF,PERFMON,DAC_READ_SEARCH tracefs any -",
];
const REFUSED = [
  ...["ring", "lru", "map"].flatMap((mode) => [`REFUSED ${mode} BPF - any`, `REFUSED ${mode} PERFMON - any`]),
  "REFUSED trace BPF tracefs root",
  "REFUSED trace PERFMON tracefs root",
  "REFUSED trace BPF,PERFMON - root",
  "REFUSED trace BPF,PERFMON tracefs any",
  "REFUSED trace BPF,DAC_READ_SEARCH tracefs any",
  "REFUSED trace DAC_READ_SEARCH,PERFMON tracefs any",
  "REFUSED trace BPF,DAC_READ_SEARCH,PERFMON - any",
  "REFUSED trace - - root",
  "REFUSED trace SYS_ADMIN - any",
];
const TABLE = `| mode | capabilities | mounted | user | kept |
| --- | --- | --- | --- | --- |
| lru, ring | BPF, PERFMON | nothing | any | nothing |
| map | BPF, PERFMON | nothing | any | BPF |
| trace | BPF, DAC_READ_SEARCH, PERFMON | tracefs | any | nothing |
| trace | BPF, PERFMON | tracefs | root | nothing |
| trace | SYS_ADMIN | nothing | root | nothing |
`;

test("of the runs of a mode those are left that no other got by with less", () => {
  expect(renderPrivileges(PRINTED)).toBe(TABLE);
  expect(renderPrivileges(["nothing"])).toBe("");
});

test("what nobody tried to do without is found out", () => {
  expect(unproven([...PRINTED, ...REFUSED])).toEqual([]);
  const without = (line: string) => unproven([...PRINTED, ...REFUSED.filter((other) => other !== line)]);
  expect(without("REFUSED ring BPF - any")).toEqual(["ring with BPF, nothing mounted, user any"]);
  expect(without("REFUSED trace SYS_ADMIN - any")).toEqual(["trace with SYS_ADMIN, nothing mounted, user any"]);
  expect(without("REFUSED trace BPF,PERFMON tracefs any")).toEqual([
    "trace with BPF, PERFMON, tracefs mounted, user any",
  ]);
  // What was refused with more is refused with less.
  expect(without("REFUSED trace - - root")).toEqual([]);
});

test("a README with another table, without one, or tests that printed none are told apart", () => {
  const readme = (table: string) => `a <!-- privileges -->\n${table}<!-- privileges --> b`;
  expect(comparePrivileges(readme(TABLE), TABLE)).toBeUndefined();
  expect(comparePrivileges(readme(TABLE.replace("any", "root")), TABLE)).toContain("is not that of the tests");
  expect(comparePrivileges("a", TABLE)).toContain("has no two marks");
  expect(comparePrivileges(readme(TABLE), "")).toContain("no container test printed");
});
