// Decoders and encoders: what is encoded decodes to the same, for random values of every type of the fixtures, in both
// byte orders, at every offset a buffer may give; and what a decoder caches or shortens is never wrong.
import { describe, expect, test } from "bun:test";
import { type Btf, compileDecoder, compileEncoder, fromJson, Memory, ObjectError, parseObject } from "elf-loader";
import fc from "fast-check";
import { fixture } from "./compile.ts";

const integer = (bits: number, signed: boolean): fc.Arbitrary<number | bigint> => {
  const [min, max] = signed
    ? [-(1n << BigInt(bits - 1)), (1n << BigInt(bits - 1)) - 1n]
    : [0n, (1n << BigInt(bits)) - 1n];
  return fc.oneof(fc.bigInt({ min, max }), fc.constantFrom(min, max, 0n)).map((v) => (bits <= 32 ? Number(v) : v));
};

/** Values of a type as its decoder gives them. */
function valuesOf(btf: Btf, id: number): fc.Arbitrary<unknown> {
  const type = btf.resolved(id);
  switch (type.kind) {
    case "int":
      return type.bool ? fc.boolean() : integer(type.size * 8, type.signed);
    case "enum":
    case "enum64":
      return fc.constantFrom(...type.values.map(({ name }) => name));
    case "float":
      return type.size === 4 ? fc.float() : fc.double();
    case "pointer":
      return integer(64, false);
    case "array": {
      const element = btf.resolved(type.type);
      const text = fc.string({ maxLength: type.length, unit: fc.constantFrom("a", "b", "\udcff") });
      if (element.kind === "int" && element.name === "char") return text;
      return fc.array(valuesOf(btf, type.type), { minLength: type.length, maxLength: type.length });
    }
    case "struct": {
      const members = type.members.filter(({ name }) => name !== "");
      const entries = members.map((member) =>
        (member.bitSize === 0 ? valuesOf(btf, member.type) : bitValues(btf, member.type, member.bitSize)).map(
          (value) => [member.name, value] as const,
        ),
      );
      return fc.tuple(...entries).map((all) => Object.fromEntries(all));
    }
    default:
      throw new Error(`no values of ${type.kind}`);
  }
}

function bitValues(btf: Btf, id: number, bits: number): fc.Arbitrary<unknown> {
  const type = btf.resolved(id);
  if (type.kind === "int" && type.bool) return fc.boolean();
  if (type.kind === "enum") return valuesOf(btf, id);
  return integer(bits, type.kind === "int" && type.signed);
}

for (const target of ["bpf", "bpfeb"] as const) {
  const btf = parseObject(fixture("globals", { target })).btf as Btf;
  for (const name of ["point", "packed", "bits", "tiny", "odd", "wide", "wide_sign", "small", "color"]) {
    test(`${name} encodes and decodes to the same, ${target}`, () => {
      const id = btf.findByName(name);
      const [decode, encode, size] = [compileDecoder(btf, id), compileEncoder(btf, id), btf.sizeOf(id)];
      fc.assert(
        fc.property(valuesOf(btf, id), fc.integer({ min: 0, max: 7 }), (value, words) => {
          const bytes = new Uint8Array(words * 4 + size);
          bytes.fill(0xa5);
          bytes.set(encode(value), words * 4);
          // Exactly as long as the value: nothing behind it may be touched.
          expect(decode(new Memory(bytes.buffer), words * 4)).toEqual(value);
        }),
        { numRuns: 500 },
      );
    });
  }
}

describe("64-bit integers", () => {
  const btf = parseObject(fixture("globals")).btf as Btf;
  const id = btf.findByName("everything");
  const encode = compileEncoder(btf, id);
  const numbers = compileDecoder<{ u64: unknown; s64: unknown; pointer: unknown }>(btf, id, { bigint: false });
  const decode = (u64: bigint, s64: bigint) =>
    numbers(new Memory(encode({ u64, s64, pointer: u64 }).buffer as ArrayBuffer), 0);

  test("are numbers where exact, if asked for", () => {
    for (const [u64, s64] of [
      [0n, 0n],
      [1n, -1n],
      [2n ** 53n - 1n, -(2n ** 53n) + 1n],
      [2n ** 32n, -(2n ** 32n)],
    ] as const) {
      expect(decode(u64, s64)).toMatchObject({ u64: Number(u64), s64: Number(s64), pointer: Number(u64) });
    }
  });

  test("and bigints where not", () => {
    for (const [u64, s64] of [
      [2n ** 64n - 1n, -(2n ** 63n)],
      [2n ** 53n, -(2n ** 53n) - 1n],
    ] as const) {
      expect(decode(u64, s64)).toMatchObject({ u64, s64, pointer: u64 });
    }
  });
});

test("text that repeats is the same text, whatever came between", () => {
  const btf = parseObject(fixture("globals")).btf as Btf;
  const decode = compileDecoder<{ text: string }>(btf, btf.findByName("everything"));
  const encode = compileEncoder(btf, btf.findByName("everything"));
  const texts = Array.from({ length: 2000 }, (_, i) => `text${i}`);
  for (const text of [...texts, "", ...texts, ...texts.toReversed(), ""]) {
    expect(decode(new Memory(encode({ text }).buffer as ArrayBuffer), 0).text).toBe(text);
  }
});

test("text behind the NUL does not matter", () => {
  const btf = parseObject(fixture("globals")).btf as Btf;
  const decode = compileDecoder<{ text: string }>(btf, btf.findByName("everything"));
  const bytes = compileEncoder(btf, btf.findByName("everything"))({ text: "ab\0garbage" });
  expect(decode(new Memory(bytes.buffer as ArrayBuffer), 0).text).toBe("ab");
});

/** As JSON has it: what no double holds as text. */
const throughJson = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value, (_, one) =>
      typeof one !== "bigint" ? one : Number.isSafeInteger(Number(one)) ? Number(one) : `${one}`,
    ),
  );

for (const target of ["bpf", "bpfeb"] as const)
  test(`members that share bytes are encoded to the bytes they were decoded from, through JSON too, ${target}`, () => {
    const btf = parseObject(fixture("unions", { target })).btf as Btf;
    const id = btf.findByName("shared");
    const [decode, encode, size] = [compileDecoder(btf, id), compileEncoder(btf, id), btf.sizeOf(id)];
    const byte = fc.oneof(fc.integer({ min: 0, max: 255 }), fc.constantFrom(0, 0x41, 0xff));
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: size, maxLength: size }),
        fc.array(byte, { maxLength: size }),
        (bytes, some) => {
          bytes.set(some);
          const value = decode(Memory.from(bytes.slice()), 0);
          expect(encode(value)).toEqual(bytes);
          expect(encode(fromJson(btf, id, throughJson(value)))).toEqual(bytes);
        },
      ),
      { numRuns: 500 },
    );
    expect(() => encode({ number: 1, nobody: 2 })).toThrow("struct shared has no member nobody");
  });

test("what JSON cannot say is taken as it is written there instead", () => {
  const btf = parseObject(fixture("globals")).btf as Btf;
  const id = btf.findByName("everything");
  const [decode, encode] = [compileDecoder(btf, id), compileEncoder(btf, id)];
  const through = (value: unknown) => decode(Memory.from(encode(fromJson(btf, id, value))), 0);
  expect(through({ text: "\ufffdb", text_hex: "ff62" })).toMatchObject({ text: "\udcffb" });
  expect(through({ text_hex: "ff62", text: "\ufffdb" })).toMatchObject({ text: "\udcffb" });
  expect(() => through({ text_hex: "ff6" })).toThrow("has no member text_hex");
  expect(() => through({ nobody_hex: "ff" })).toThrow("has no member nobody_hex");
  const list = [0xff, -2, 0x62, ...new Uint8Array(9)];
  expect(through({ text: list })).toMatchObject({ text: "\udcff\udcfeb" });
  expect(() => through({ text: list.with(0, 256) })).toThrow("256 does not fit");
  expect(through({ f32: "NaN", f64: "-Infinity" })).toMatchObject({ f32: Number.NaN, f64: -Infinity });
  expect(() => through({ f32: "infinite" })).toThrow('"infinite" is not a number');
  expect(() => through({ text: list.with(0, -129) })).toThrow("-129 does not fit");
});

test("types without a value are refused", () => {
  const btf = parseObject(fixture("constructs")).btf as Btf;
  for (const id of [0, btf.findByName("forward"), btf.findByName("with_arguments"), btf.findByName(".bss"), 99999]) {
    expect(() => compileDecoder(btf, id)).toThrow(ObjectError);
    expect(() => compileEncoder(btf, id)).toThrow(ObjectError);
  }
});

test("arrays of text, an enum64 and bit-fields in one struct", () => {
  const btf = parseObject(fixture("constructs")).btf as Btf;
  const decode = compileDecoder<{ k: number; n: string[]; j: string }>(btf, btf.findByName("holder"));
  const bytes = compileEncoder(btf, btf.findByName("holder"))({ j: "LARGE", k: 5, n: ["ab", "c", ""] });
  expect(decode(new Memory(bytes.buffer as ArrayBuffer), 0)).toMatchObject({ j: "LARGE", k: 5, n: ["ab", "c", ""] });
});
