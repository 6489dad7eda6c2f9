// A file of 1 MiB costs at most 64 MiB, and ends: each input in a process of its own, its peak measured by the kernel.
import { expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { AMPLIFIERS } from "./amplifiers.ts";

const LIMIT_KIB = 64 * 1024;
/** Processor time, ms. */
const LONGEST = 20_000;

for (const name of Object.keys(AMPLIFIERS)) {
  test(name, () => {
    const script = join(import.meta.dir, "amplifiers.ts");
    const text = execFileSync(process.execPath, [script, name], { encoding: "utf8", timeout: 120_000 });
    const { grown, took } = JSON.parse(text) as { grown: number; took: number };
    console.log(`${name}: ${text.trim()}`);
    expect(grown).toBeLessThan(LIMIT_KIB);
    expect(took).toBeLessThan(LONGEST);
  }, 130_000);
}
