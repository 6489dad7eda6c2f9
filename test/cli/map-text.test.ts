// Keys and values as a person reads and types them: what is shown is taken for the same bytes, whatever they are.

import { expect, test } from "bun:test";
import fc from "fast-check";
import { jsonLine } from "../../src/cli/json.ts";
import { asText, type Shown, shownCodec } from "../../src/cli/map-text.ts";
import { type Btf, bytesCodec, type Codec, codecOf, Memory, parseObject } from "../../src/index.ts";
import { fixture } from "../elf-loader/compile.ts";

const inJson = ({ value, hex }: Shown) => JSON.stringify(hex ?? JSON.parse(jsonLine({ value })).value);

/** Bytes such as maps have: many zeros, letters, quotes, digits, and what is no UTF-8. */
const byte = fc.oneof(
  fc.constantFrom(0, 0, 0, 1, 2),
  fc.constantFrom(...Buffer.from('ab01= \\"')),
  fc.integer({ min: 0, max: 255 }),
);

function expectTaken(codec: Codec): void {
  const ours = shownCodec(codec);
  fc.assert(
    fc.property(fc.array(byte, { minLength: codec.size, maxLength: codec.size }), (list) => {
      const bytes = Uint8Array.from(list);
      const shown = ours.decode(Memory.from(bytes), 0) as Shown;
      for (const text of [asText(shown), inJson(shown)])
        expect([text, ours.encode(ours.parse?.(text)).toHex()]).toEqual([text, bytes.toHex()]);
    }),
    { numRuns: 200 },
  );
}

for (const [object, names] of [
  ["globals", ["everything", "point", "packed", "bits", "tiny", "odd", "wide", "color", "float", "double", "_Bool"]],
  ["unions", ["shared"]],
  ["constructs", ["holder"]],
] as const) {
  const btf = parseObject(fixture(object)).btf as Btf;
  for (const name of names)
    test(`${name}: any bytes that are shown are taken`, () => {
      const id = btf.findByName(name);
      expectTaken(codecOf(btf, id, btf.sizeOf(id)));
    });
}

test("text: any bytes that are shown are taken", () => {
  const btf = parseObject(fixture("globals")).btf as Btf;
  const ids = Array.from({ length: btf.typeCount }, (_, id) => id);
  const arrays = ids.filter((id) => id > 0 && btf.kind(id) === "array");
  expect(arrays.length).toBeGreaterThan(3);
  for (const id of arrays) if (btf.sizeOf(id) > 0) expectTaken(codecOf(btf, id, btf.sizeOf(id)));
});

test("bytes: any that are shown are taken", () => {
  for (const size of [1, 2, 3, 8]) expectTaken(bytesCodec(size) as Codec);
});

test("bytes stand beside the value only where it does not say them", () => {
  const btf = parseObject(fixture("globals")).btf as Btf;
  const id = btf.findByName("point");
  const shown = shownCodec(codecOf(btf, id, 8)).decode(Memory.from(new Uint8Array(8).fill(1)), 0) as Shown;
  expect([asText(shown), shown.hex]).toEqual(['{"x":16843009,"y":16843009}', undefined]);
});
