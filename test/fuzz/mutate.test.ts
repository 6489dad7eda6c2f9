// Malformed objects: mutants of the four real ones and of fixtures with more in them. Each gives a spec or an ObjectError
// that names section and offset: never another exception, a hang or memory without end.
//
// Reproduce a failure with FUZZ_SEED=<seed printed>. FUZZ_INPUTS says how many; `npm run fuzz` runs a million.
import { beforeAll, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Btf, parseObject } from "elf-loader";
import { fixture } from "../elf-loader/compile.ts";
import { CHANGES, changeField, fieldsOf, random, scatter } from "./mutations.ts";
import { runAll, runKernel, runRelocation } from "./pipeline.ts";

const SEED = Number(process.env.FUZZ_SEED ?? 0x5eed);
const INPUTS = Number(process.env.FUZZ_INPUTS ?? 100_000);
/** Changes tried of each field: once makes more than a hundred thousand inputs. */
const ROUNDS = Math.ceil(INPUTS / 100_000);
const TIMEOUT_MS = 300_000 * ROUNDS;
const SCATTERED = 1500 * ROUNDS;
/** No input of a few ten KiB may take more of the processor, in ms: the clock on the wall is others' too. */
const LONGEST = 2000;

const built = (name: string) => new Uint8Array(readFileSync(join(import.meta.dir, `../../build/bpf/${name}.bpf.o`)));
const OBJECTS = ["hello_trace", "hello_map", "hello_perf", "hello_ring"];
const FIXTURES = [
  "calls",
  "globals",
  "maps",
  "map_slots",
  "map_legacy",
  "constructs",
  "core",
  "core_local",
  "externs",
  "kconfig",
  "kfunc",
];
/** What relocations are answered from. */
const kernel = parseObject(fixture("core_target")).btf as Btf;

let inputs = 0;
let parsed = 0;

const withKernel: typeof runAll = (bytes, decoders) => runAll(bytes, decoders, kernel);

/** Runs one input; a failure says how to make it again. */
function check(mutant: Uint8Array, origin: string, decoders: boolean, run: typeof runAll = withKernel): void {
  const start = process.cpuUsage();
  try {
    if (run(mutant, decoders) === "parsed") parsed++;
  } catch (error) {
    throw new Error(`FUZZ_SEED=${SEED}: ${origin}: ${error instanceof Error ? error.stack : error}`);
  }
  const { user, system } = process.cpuUsage(start);
  const took = (user + system) / 1000;
  if (took > LONGEST) throw new Error(`FUZZ_SEED=${SEED}: ${origin}: took ${took} ms`);
  inputs++;
}

function changeEveryField(name: string, bytes: Uint8Array): void {
  const next = random(SEED);
  for (const field of fieldsOf(bytes)) {
    for (let round = 0; round < ROUNDS; round++) {
      const which = next() % CHANGES.length;
      const mutant = changeField(bytes, field, CHANGES[which] as (typeof CHANGES)[number], next);
      check(mutant, `${name}, ${field.what} at 0x${field.offset.toString(16)}, change ${which}`, field.what === ".BTF");
    }
  }
}

beforeAll(() => {
  // The pipeline itself works: else every mutant would be refused and nothing tested.
  for (const name of OBJECTS) expect(runAll(built(name), true)).toBe("parsed");
});

for (const name of OBJECTS) {
  test(
    `${name}, cut off at every length`,
    () => {
      const bytes = built(name);
      for (let length = 0; length < bytes.length; length++)
        check(bytes.subarray(0, length), `${name}, ${length} bytes`, false);
    },
    TIMEOUT_MS,
  );
}

for (const [name, read] of [
  ...OBJECTS.map((name) => [name, () => built(name)] as const),
  ...FIXTURES.map((name) => [name, () => fixture(name)] as const),
]) {
  test(`${name}, every field changed`, () => changeEveryField(name, read()), TIMEOUT_MS);

  test(
    `${name}, bytes changed anywhere`,
    () => {
      const bytes = read();
      const next = random(SEED ^ 0xb17e5);
      for (let i = 0; i < SCATTERED; i++) check(scatter(bytes, next), `${name}, scattered ${i}`, i % 8 === 0);
    },
    TIMEOUT_MS,
  );
}

/** Every word of the header, the types and the strings of a kernel's BTF, and bytes anywhere. */
test(
  "a kernel's types, every word changed",
  () => {
    const bytes = kernel.encode();
    const spec = parseObject(fixture("core_local"));
    for (const program of spec.programs.values()) program.autoload = true;
    const againstIt: typeof runAll = (mutant) => runKernel(mutant, spec);
    expect(runKernel(bytes, spec)).toBe("parsed");
    const next = random(SEED ^ 0xb7f);
    const words = Array.from({ length: Math.floor(bytes.length / 4) }, (_, i) => i * 4);
    const often = Array.from({ length: 2 * ROUNDS }, () => words).flat();
    for (const [i, offset] of often.entries()) {
      const which = next() % CHANGES.length;
      const field = { what: "BTF", offset, size: 4 };
      const mutant = changeField(bytes, field, CHANGES[which] as (typeof CHANGES)[number], next);
      check(mutant, `kernel's BTF at 0x${offset.toString(16)}, change ${which}, ${i}`, false, againstIt);
    }
    for (let i = 0; i < SCATTERED; i++) {
      check(scatter(bytes, next), `kernel's BTF, scattered ${i}`, false, againstIt);
    }
  },
  TIMEOUT_MS,
);

const VMLINUX = "/sys/kernel/btf/vmlinux";
/** Each takes as long as a thousand small ones. */
const WHOLE_KERNELS = 100 * ROUNDS;
/** Few leave most types whole: one word in seven is the size of a record. */
const CHANGED_WORDS = 12;

test.skipIf(!existsSync(VMLINUX))(
  "the running kernel's types, words changed anywhere",
  () => {
    const original = new Uint8Array(readFileSync(VMLINUX));
    const spec = parseObject(fixture("core_fields"));
    const next = random(SEED ^ 0x1ea);
    for (let i = 0; i < WHOLE_KERNELS; i++) {
      const mutant = original.slice();
      const view = new DataView(mutant.buffer);
      const words = Math.floor(mutant.length / 4);
      // Few at first, which leave most types whole.
      for (let left = next() % CHANGED_WORDS; left > 0; left -= 1 + (next() % 64))
        view.setUint32((next() % words) * 4, next() >>> (next() % 32), true);
      check(mutant, `${VMLINUX}, ${i}`, false, (bytes) => runRelocation(bytes, spec));
    }
  },
  TIMEOUT_MS,
);

test(
  "bytes changed anywhere, until there are enough",
  () => {
    const next = random(SEED ^ 0xe40);
    const objects = FIXTURES.map((name) => [name, fixture(name)] as const);
    for (let i = 0; inputs < INPUTS; i++) {
      const [name, bytes] = objects[i % objects.length] as (typeof objects)[number];
      check(scatter(bytes, next), `${name}, more scattered ${i}`, i % 8 === 0);
    }
  },
  TIMEOUT_MS,
);

test(`at least ${INPUTS} inputs, and many got past the parser`, () => {
  console.log(`mutation: ${inputs} inputs, ${parsed} parsed, seed ${SEED}`);
  expect(inputs).toBeGreaterThanOrEqual(INPUTS);
  expect(parsed).toBeGreaterThan(INPUTS / 10);
});
