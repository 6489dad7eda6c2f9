// Any type and value: written bit by bit in the kernel's layout it reads back equal, is encoded to the same bytes, and
// clang gives the type, printed as C, the layout it was made with.
import { expect, test } from "bun:test";
import { compileDecoder, compileEncoder, Memory } from "elf-loader";
import fc from "fast-check";
import { expectSameLayout } from "./c-layout.ts";
import { Bits, btfOf, generatedStruct, type Order } from "./generated-types.ts";

const sample = generatedStruct.chain((model) => fc.record({ model: fc.constant(model), value: model.values }));

/** Members that a union's value leaves out may be anything: only what was written is compared. */
function expectHolds(found: unknown, wanted: unknown): void {
  if (typeof wanted !== "object" || wanted === null) expect(found).toEqual(wanted);
  else
    for (const [key, value] of Object.entries(wanted)) expectHolds((found as { [key: string]: unknown })[key], value);
}

for (const order of ["little", "big"] satisfies Order[]) {
  test(`values read back equal, ${order}-endian`, () => {
    fc.assert(
      fc.property(sample, ({ model, value }) => {
        const { btf, ids } = btfOf([model], order);
        const [id = 0] = ids;
        expect(btf.sizeOf(id)).toBe(model.size);
        const bits = new Bits(model.size, order);
        model.put(bits, 0, value);
        expectHolds(compileDecoder(btf, id)(Memory.from(bits.bytes), 0), value);
        expect(compileEncoder(btf, id)(value)).toEqual(bits.bytes);
      }),
      { numRuns: 1000 },
    );
  }, 60_000);
}

test("clang lays them out the same", () => {
  const models = fc.sample(generatedStruct, { numRuns: 150, seed: 42 });
  const { btf } = btfOf(models, "little");
  expect(expectSameLayout(btf, "generated")).toBeGreaterThan(150);
});
