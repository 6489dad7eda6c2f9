// A file of 1 MiB costs at most 64 MiB, and ends: each input in a process of its own, its peak measured by the kernel.
import { expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { AMPLIFIERS } from "./amplifiers.ts";

const LIMIT_KIB = 64 * 1024;
/** Processor time, ms. */
const LONGEST = 20_000;

/** What is garbage is collected sooner or later: what is needed is the least of a few runs. */
const RUNS = 3;

/** What is refused for what it asks for; all else is read to its end. */
const REFUSED = new Set([
  "symbols whose names overlap",
  "sections of one longer name",
  "relocation sections of the same bytes",
  "zeros without end",
]);

function runOne(name: string): { outcome: string; grown: number; took: number } {
  const script = join(import.meta.dir, "amplifiers.ts");
  const text = execFileSync(process.execPath, [script, name], { encoding: "utf8", timeout: 120_000 });
  console.log(`${name}: ${text.trim()}`);
  return JSON.parse(text);
}

for (const name of Object.keys(AMPLIFIERS)) {
  test(name, () => {
    let { outcome, grown, took } = runOne(name);
    for (let run = 1; run < RUNS && grown >= LIMIT_KIB; run++) ({ outcome, grown, took } = runOne(name));
    expect(outcome).toBe(REFUSED.has(name) ? "refused" : "parsed");
    expect(grown).toBeLessThan(LIMIT_KIB);
    expect(took).toBeLessThan(LONGEST);
  }, 130_000);
}
