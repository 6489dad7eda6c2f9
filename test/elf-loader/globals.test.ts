// Globals before load: clang lays out what the fixture initialises, in both byte orders; we read the same values, and
// what we write reads back.
import { describe, expect, test } from "bun:test";
import { ObjectError, parseObject } from "elf-loader";
import { fixture } from "./compile.ts";

const ALL = {
  u8: 200,
  s8: -100,
  u16: 60000,
  s16: -30000,
  u32: 4000000000,
  s32: -2000000000,
  u64: 0xfedcba9876543210n,
  s64: -1234567890123456789n,
  yes: true,
  no: false,
  f32: 1.5,
  f64: -2.25,
  color: "BLUE",
  sign: "MINUS",
  small: "SMALL_B",
  wide: "WIDE_TOP",
  wide_sign: "WIDE_MINUS",
  unnamed: 77,
  text: "hello",
  odd: "abcdefg",
  raw: [1, 2, 3, 255],
  pointer: 0x123456789abcn,
  points: [
    { x: 1, y: -1 },
    { x: 2, y: -2 },
    { x: 3, y: -3 },
  ],
  matrix: [
    [1, 2, 3],
    [4, 5, 6],
  ],
  inside: 42,
  halves: [0x1111, 0x2222],
  named: { first: 0x01010101, bytes: [1, 1, 1, 1] },
  ["__proto__"]: 99,
  huge: -(1n << 100n) + 5n,
};
const BITS = {
  a: 1,
  b: 5,
  c: -9,
  d: 0xabc,
  e: true,
  f: "BLUE",
  g: 0xabcdef0123n,
  h: -4000000000n,
  i: 100,
  whole: 0xdeadbeef,
};
const PACKED = { a: 1, b: 0x01020304, c: 0x0102030405060708n, name: "pack", d: 0xfffe };

for (const target of ["bpf", "bpfeb"] as const) {
  describe(target, () => {
    const spec = () => parseObject(fixture("globals", { target }));
    const word = target === "bpf" ? 0x22221111 : 0x11112222;

    test("values of every type are those of the C source", () => {
      const { globals } = spec();
      const all = globals.get("all") as typeof ALL;
      expect(all).toEqual({ ...ALL, word } as typeof ALL);
      expect(Object.getPrototypeOf(all)).toBe(Object.prototype);
      expect(Object.hasOwn(all, "__proto__")).toBeTrue();
      expect(globals.get("bits")).toEqual(BITS);
      expect(globals.get("packed")).toEqual(PACKED);
      expect(globals.get("tiny")).toEqual({ a: 5, b: 17, c: 9 });
      const odds = new Array(20).fill({ a: 0, b: 0, c: "" });
      odds.splice(0, 2, { a: 1, b: 2, c: "a" }, { a: 3, b: 4, c: "b" });
      expect(globals.get("odds")).toEqual(odds.with(19, { a: 5, b: 0x01020304, c: "zz" }));
      expect(globals.get("flexible")).toEqual({ count: 3, rest: "" });
      expect(globals.get("min_uid")).toBe(1000);
      expect(globals.get("comm")).toBe("bash");
      expect(globals.get("origin")).toEqual({ x: -3, y: 4 });
      expect(globals.get("custom_one")).toBe(11);
      expect(globals.get("custom_two")).toBe(12);
      expect(globals.get("hidden_static")).toBe(5n);
      expect(globals.get("zero_b")).toEqual(new Array(10).fill(0));
    });

    test("what is written into zeros has the bytes that clang writes", () => {
      const [source, other] = [spec(), spec()];
      const data = other.maps.get(".data")?.contents as Uint8Array;
      data.fill(0);
      for (const name of ["all", "bits", "packed", "flexible", "tiny", "odds", "hidden_global", "hidden_static"]) {
        other.globals.set(name, source.globals.get(name));
      }
      expect(data).toEqual(source.maps.get(".data")?.contents as Uint8Array);
    });

    test("members by path, bit-fields too, leave the rest alone", () => {
      const { globals } = spec();
      globals.set("all.points[1].y", 1234);
      globals.set("all.matrix[1][2]", -6);
      globals.set("all.text", "ab");
      globals.set("bits.c", 15);
      globals.set("bits.g", 1n);
      expect(globals.get("all.points[1]")).toEqual({ x: 2, y: 1234 });
      expect(globals.get("all.matrix")).toEqual([
        [1, 2, 3],
        [4, 5, -6],
      ]);
      expect(globals.get("all.text")).toBe("ab");
      expect(globals.get("bits")).toEqual({ ...BITS, c: 15, g: 1n });
      expect(globals.get("bits.c")).toBe(15);
      expect(globals.get("all.inside")).toBe(42);
    });
  });
}

describe("what does not fit is refused, and nothing is changed", () => {
  const cases: [string, unknown, RegExp][] = [
    ["min_uid", -1, /min_uid: -1 does not fit .*\(0 to 4294967295\)/],
    ["min_uid", 2 ** 32, /does not fit/],
    ["min_uid", 1.5, /1.5 is not/],
    ["min_uid", "7", /"7" is not/],
    ["all.s8", 128, /-128 to 127/],
    ["all.yes", 2, /0 to 1/],
    ["all.sign", "NO_SUCH", /is not enum sign \(MINUS, ZERO, PLUS\)/],
    ["all.text", "a text too long", /15 bytes of text do not fit 12/],
    ["all.raw", [1, 2], /2 elements, not 4/],
    ["all.u64", 1n << 64n, /does not fit/],
    ["all.f64", 1n, /not a number/],
    ["all.f32", 1e300, /1e\+300 does not fit a float of 4 bytes/],
    ["bits.b", 8, /0 to 7/],
    ["bits.c", -17, /-16 to 15/],
    ["origin", { x: 1, z: 2 }, /no member z/],
    ["origin", 5, /5 is not struct point/],
    ["origin.z", 5, /no member z/],
    ["all.raw[4]", 5, /4 elements/],
    ["min_uid.x", 5, /no members/],
    ["nobody", 5, /Cannot find global variable nobody/],
    ["toString", 5, /Cannot find global variable toString/],
  ];
  for (const [path, value, message] of cases) {
    test(`${path} = ${String(value)}`, () => {
      const spec = parseObject(fixture("globals"));
      const before = [...spec.maps.values()].map(({ contents }) => contents?.slice());
      expect(() => spec.globals.set(path, value)).toThrow(ObjectError);
      expect(() => spec.globals.set(path, value)).toThrow(message);
      expect([...spec.maps.values()].map(({ contents }) => contents)).toEqual(before);
    });
  }
});

test("a copy is edited independently", () => {
  const spec = parseObject(fixture("globals"), "first");
  const copy = spec.copy();
  copy.globals.set("min_uid", 5);
  copy.maps.get(".rodata")!.flags = 0;
  copy.programs.get("use")!.target = "elsewhere";
  copy.license = "none";
  expect(spec.globals.get("min_uid")).toBe(1000);
  expect(spec.maps.get(".rodata")?.flags).not.toBe(0);
  expect(spec.programs.get("use")?.target).toBeUndefined();
  expect(spec.license).toBe("Dual MIT/GPL");
  expect(copy.globals.get("min_uid")).toBe(5);
  expect(copy.name).toBe("first");
});

test("without BTF there are no globals to name", () => {
  const { globals } = parseObject(fixture("globals", { debug: false }));
  expect(globals.names()).toEqual([]);
  expect(globals.has("min_uid")).toBeFalse();
});
