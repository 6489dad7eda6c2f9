// The benchmark itself: it runs and says every figure. What the figures are is no test's business.

import { expect, test } from "bun:test";
import { join } from "node:path";
import { EMULATED, ROOT } from "./lib-support.ts";

test.if(!EMULATED)(
  "every figure is there and is a number above zero",
  () => {
    const { stdout, stderr, exitCode } = Bun.spawnSync([process.execPath, join(ROOT, "test/bench/main.ts"), "--tiny"]);
    expect({ exitCode, stderr: stderr.toString() }).toEqual({ exitCode: 0, stderr: "" });
    const rows = stdout.toString().trim().split("\n").slice(1);
    expect(rows.length).toBe(15);
    for (const row of rows) {
      const median = Number(/ {2}([\d.e+]+) {2,}\S+ … /.exec(row)?.[1]);
      expect({ row, positive: median > 0 }).toEqual({ row, positive: true });
    }
  },
  60_000,
);
