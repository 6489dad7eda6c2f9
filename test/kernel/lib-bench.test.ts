// The benchmark itself: it runs and says every figure. What the figures are is no test's business.

import { expect, test } from "bun:test";
import { join } from "node:path";
import { GUEST, ROOT } from "./lib-support.ts";

/** Where a line of the table begins, and in how many. */
const FIGURES = {
  ...{ "--version": 1, "--mode ring": 4, executable: 1, "ring buffer: ": 2, "load ": 14, "ring: ": 4, "perf: ": 3 },
  ...{ "proxy none": 2, "proxy sockmap": 2, "proxy Bun": 2, "veth to veth": 3 },
};

test.if(!GUEST)(
  "every figure is there and is a number",
  () => {
    const { stdout, stderr, exitCode } = Bun.spawnSync([process.execPath, join(ROOT, "test/bench/main.ts"), "--tiny"]);
    expect({ exitCode, stderr: stderr.toString() }).toEqual({ exitCode: 0, stderr: "" });
    const rows = stdout.toString().trim().split("\n").slice(1);
    for (const row of rows) expect(row).toMatch(/ {2}-?[\d.]+ {2,}-?[\d.]+ … -?[\d.]+( |$)/);
    for (const [figures, count] of Object.entries(FIGURES))
      expect([figures, rows.filter((row) => row.startsWith(figures)).length]).toEqual([figures, count]);
  },
  60_000,
);
