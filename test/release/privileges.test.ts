// The table of privileges holds what a mode cannot do without, and a README that says otherwise is found out.

import { expect, test } from "bun:test";
import { comparePrivileges, renderPrivileges } from "../../scripts/release/privileges.ts";

const PRINTED = [
  "PRIVILEGES ring BPF,PERFMON - root -",
  "PRIVILEGES ring BPF,PERFMON - any -",
  "PRIVILEGES ring BPF,PERFMON tracefs root -",
  "something else",
  "PRIVILEGES lru BPF,PERFMON - any -",
  "PRIVILEGES map BPF,PERFMON - any BPF",
  "PRIVILEGES map BPF,PERFMON - any BPF",
  "PRIVILEGES trace BPF,PERFMON tracefs root -",
  "PRIVILEGES trace BPF,PERFMON,SYS_ADMIN tracefs root -",
  "PRIVILEGES trace BPF,PERFMON,SYS_ADMIN - root -",
  "PRIVILEGES trace BPF,PERFMON,DAC_OVERRIDE tracefs any -",
];
const TABLE = `| mode | capabilities | mounted | user | kept |
| --- | --- | --- | --- | --- |
| lru, ring | BPF, PERFMON | nothing | any | nothing |
| map | BPF, PERFMON | nothing | any | BPF |
| trace | BPF, PERFMON | tracefs | root | nothing |
| trace | BPF, PERFMON, DAC_OVERRIDE | tracefs | any | nothing |
| trace | BPF, PERFMON, SYS_ADMIN | nothing | root | nothing |
`;

test("of the runs of a mode those are left that no other got by with less", () => {
  expect(renderPrivileges(PRINTED)).toBe(TABLE);
  expect(renderPrivileges(["nothing"])).toBe("");
});

test("a README with another table, without one, or tests that printed none are told apart", () => {
  const readme = (table: string) => `a <!-- privileges -->\n${table}<!-- privileges --> b`;
  expect(comparePrivileges(readme(TABLE), TABLE)).toBeUndefined();
  expect(comparePrivileges(readme(TABLE.replace("any", "root")), TABLE)).toContain("is not that of the tests");
  expect(comparePrivileges("a", TABLE)).toContain("has no two marks");
  expect(comparePrivileges(readme(TABLE), "")).toContain("no container test printed");
});
