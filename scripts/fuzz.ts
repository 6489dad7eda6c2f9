// npm run fuzz [-- INPUTS]: mutated objects and types, a million of them unless a number is given, from a seed of its own
// that a failure names. For a run at night; npm test makes a hundred thousand, always the same ones.

import { join } from "node:path";
import { ROOT } from "./suite.ts";

const inputs = Number(process.argv[2] ?? 1_000_000);
if (!Number.isSafeInteger(inputs) || inputs < 1) {
  console.error(`Cannot make ${process.argv[2]} inputs: give a number of them`);
  process.exit(2);
}
const seed = process.env.FUZZ_SEED ?? String(crypto.getRandomValues(new Uint32Array(1))[0]);
console.log(`${inputs} inputs, FUZZ_SEED=${seed}`);
const child = Bun.spawn([process.execPath, "test", join(ROOT, "test/fuzz/mutate.test.ts")], {
  cwd: ROOT,
  env: { ...process.env, FUZZ_INPUTS: String(inputs), FUZZ_SEED: seed },
  stdio: ["ignore", "inherit", "inherit"],
});
process.exitCode = await child.exited;
