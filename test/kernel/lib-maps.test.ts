// Maps on a real kernel, through their classes; bpftool says what is really there where it is installed.

import { expect, test } from "bun:test";
import { BPF_EXIST, BPF_NOEXIST } from "elf-loader/uapi";
import { onlineCpus, possibleCpuCount } from "../../src/host/cpus.ts";
import {
  type BpfArray,
  type BpfError,
  type BpfHashMap,
  BpfObject,
  type BpfPerCpuArray,
  BpfRuntimeError,
  createMap,
  ObjectError,
  openMap,
  UnsupportedError,
} from "../../src/index.ts";
import { fixture, idsOf, load, runOn, testHere, thrownBy, userSpace } from "./lib-support.ts";

const hash = (object: BpfObject, name: string) => object.map(name) as BpfHashMap;
const array = (object: BpfObject, name: string) => object.map(name) as BpfArray;

/** A map as bpftool dumps it: keys and values as lists of bytes in hexadecimal. */
function dumped(object: BpfObject, name: string): { key: string[]; value: string[] }[] {
  const id = idsOf(object).maps[[...object.maps.keys()].indexOf(name)];
  return JSON.parse(Bun.spawnSync(["bpftool", "-j", "map", "dump", "id", `${id}`]).stdout.toString());
}

test("a hash map holds what was set, deletes, and says which keys it has", () => {
  using object = load("lib_maps", "none");
  const map = hash(object, "numbers");
  expect([map.get(1n), map.has(1n), map.delete(1n)]).toEqual([undefined, false, false]);
  map
    .set(1n, 10n)
    .set(2 ** 40, 20)
    .set(0xffff_ffff_ffff_ffffn, 0xffff_ffff_ffff_fffen);
  expect([map.get(1), map.get(2n ** 40n), map.get(0xffff_ffff_ffff_ffffn)]).toEqual([10n, 20n, 0xffff_ffff_ffff_fffen]);
  map.set(1n, 11n);
  expect(map.get(1n)).toBe(11n);
  expect(map.delete(1n)).toBe(true);
  expect([map.has(1n), map.delete(1n), [...map].length]).toEqual([false, false, 2]);
});

test("a key and a value are structs, where the map says so, in the bytes C gives them", () => {
  using object = load("lib_maps", "none");
  const map = hash(object, "measures");
  map.set({ row: 1, column: 2 }, { sum: -5n, count: 3, unit: "ms" });
  expect(map.get({ row: 1, column: 2 })).toEqual({ sum: -5n, count: 3, unit: "ms" });
  expect(map.get({ row: 2, column: 1 })).toBeUndefined();
  if (Bun.which("bpftool")) {
    const [entry] = dumped(object, "measures");
    const bytes = (text: string) => text.split(" ").map((byte) => `0x${byte}`);
    expect(entry?.key).toEqual(bytes("01 00 00 00 02 00 00 00"));
    expect(entry?.value).toEqual(bytes("fb ff ff ff ff ff ff ff 03 00 00 00 6d 73 00 00"));
  }
});

test("flags forbid what they forbid, with the kernel's errno", () => {
  using object = load("lib_maps", "none");
  const map = hash(object, "numbers");
  map.set(1n, 1n, BPF_NOEXIST);
  const errno = (action: () => unknown) => {
    const error = thrownBy(action);
    expect(error).toBeInstanceOf(BpfRuntimeError);
    return (error as BpfError).errno;
  };
  expect(errno(() => map.set(1n, 2n, BPF_NOEXIST))).toBe("EEXIST");
  expect(errno(() => map.set(2n, 2n, BPF_EXIST))).toBe("ENOENT");
  expect(errno(() => map.set(1n, 2n, 77))).toBe("EINVAL");
  map.set(1n, 3n, BPF_EXIST);
  expect([...map]).toEqual([[1n, 3n]]);
});

test("a full hash map refuses one entry more and takes changes of those it has", () => {
  using object = load("lib_maps", "none");
  const map = hash(object, "numbers");
  for (let i = 0; i < 64; i++) map.set(i, i);
  const error = thrownBy(() => map.set(64, 64)) as BpfError;
  expect([error.errno, error.call, error.subject]).toEqual(["E2BIG", "bpf(BPF_MAP_UPDATE_ELEM)", "map numbers"]);
  map.set(63, 1000);
  expect(new Map([...map] as [bigint, bigint][])).toEqual(
    new Map(Array.from({ length: 64 }, (_, i) => [BigInt(i), BigInt(i === 63 ? 1000 : i)])),
  );
});

test("a map without types takes and gives bytes, and refuses any other number of them", () => {
  using object = load("lib_maps", "none");
  const map = hash(object, "plain");
  map.set(Uint8Array.of(1, 2, 3, 4, 5, 6), Uint8Array.of(7, 8, 9));
  expect([...map]).toEqual([[Uint8Array.of(1, 2, 3, 4, 5, 6), Uint8Array.of(7, 8, 9)]]);
  for (const wrong of [Uint8Array.of(1), new Uint8Array(7), "123456", 5, undefined]) {
    expect(() => map.get(wrong)).toThrow(TypeError);
    expect(() => map.set(Uint8Array.of(1, 2, 3, 4, 5, 6), wrong)).toThrow(TypeError);
  }
});

test("a value that does not fit its type is an ObjectError, and nothing is written", () => {
  using object = load("lib_maps", "none");
  const map = hash(object, "measures");
  const key = { row: 1, column: 1 };
  for (const wrong of [{ sum: 2n ** 63n }, { count: -1 }, { unit: "12345" }, { other: 1 }, 5, null])
    expect(thrownBy(() => map.set(key, wrong))).toBeInstanceOf(ObjectError);
  expect(thrownBy(() => map.get({ row: "x" }))).toBeInstanceOf(ObjectError);
  expect(map.has(key)).toBe(false);
});

test("deleting each key as it comes visits every key once and ends", () => {
  using object = load("lib_maps", "none");
  const map = hash(object, "numbers");
  for (let i = 0; i < 64; i++) map.set(i, i * 2);
  const seen: unknown[] = [];
  for (const [key, value] of map) {
    expect(value).toBe((key as bigint) * 2n);
    seen.push(key);
    map.delete(key);
  }
  expect(seen.length).toBe(64);
  expect(new Set(seen).size).toBe(64);
  expect([...map]).toEqual([]);
});

test("a walk ends though keys come and go all the time, and finds every key that stays", () => {
  using object = load("lib_maps", "none");
  const map = hash(object, "numbers");
  for (let i = 0; i < 20; i++) map.set(i, i);
  let steps = 0;
  for (const [key] of map) {
    steps++;
    map.delete(key);
    map.set(1000 + steps, 1);
    if (steps > 10_000) throw new Error("the walk does not end");
  }
  expect(steps).toBeLessThanOrEqual(64);
  const staying = new Set<unknown>();
  for (const [key] of map) {
    staying.add(key);
    map.set(5000, 1).delete(5000);
  }
  expect(staying.size).toBeGreaterThanOrEqual(20);
});

test("an array has all its values from the start, and none beyond its end", () => {
  using object = load("lib_maps", "none");
  const slots = array(object, "slots");
  const zero = { sum: 0n, count: 0, unit: "" };
  expect(slots.length).toBe(3);
  slots.set(1, { sum: 7n, count: 1, unit: "abcd" });
  expect([0, 1, 2, 3].map((i) => slots.get(i))).toEqual([zero, { sum: 7n, count: 1, unit: "abcd" }, zero, undefined]);
  expect((thrownBy(() => slots.set(3, zero)) as BpfError).errno).toBe("E2BIG");
  for (const index of [-1, 2 ** 32, 2 ** 32 + 1, 0.5, Number.NaN]) {
    expect([index, slots.get(index)]).toEqual([index, undefined]);
    const error = thrownBy(() => slots.set(index, zero)) as BpfError;
    expect(error).toBeInstanceOf(BpfRuntimeError);
    expect(error.likely).toContain("has no such index: they are whole numbers");
  }
});

test("bytes of another size than the value's are refused: the kernel would read what lies behind them", () => {
  using object = load("lib_maps", "none");
  const slots = array(object, "slots");
  for (const size of [0, 1, 15, 17, 4096])
    expect(thrownBy(() => slots.setBytes(0, new Uint8Array(size)))).toBeInstanceOf(BpfRuntimeError);
  slots.setBytes(0, new Uint8Array(16).fill(1));
  expect((slots.get(0) as { count: number }).count).toBe(0x01010101);
  // A per-CPU array's are those of all CPUs.
  const byCpu = object.map("by_cpu") as BpfPerCpuArray<number>;
  expect(thrownBy(() => byCpu.setBytes(0, new Uint8Array(byCpu.spec.valueSize)))).toBeInstanceOf(BpfRuntimeError);
  const all = byCpu.getBytes(0) as Uint8Array;
  expect(all).toHaveLength(8 * (byCpu.get(0)?.length ?? 0));
  byCpu.setBytes(0, all.fill(2));
  expect(byCpu.get(0)?.max()).toBe(0x02020202);
});

test("a per-CPU array has one value for each possible CPU, by its number", () => {
  using object = load("lib_maps", "count_cpu");
  const map = object.map("by_cpu") as BpfPerCpuArray<number>;
  for (const cpu of onlineCpus())
    for (let i = 0; i <= cpu; i++) expect(runOn(object.program("count_cpu"), cpu)).toBe(0);
  const expected = Array.from({ length: possibleCpuCount() }, (_, cpu) =>
    onlineCpus().includes(cpu) ? (cpu + 1) ** 2 : 0,
  );
  expect([...(map.get(1) ?? [])]).toEqual(expected);
  expect([...(map.get(0) ?? [])]).toEqual(expected.map(() => 0));
  expect(map.get(2)).toBeUndefined();
});

test("a map the kernel refuses is a typed error that names it and its size", () => {
  const refused = (edit: (map: { type: number; keySize: number; valueSize: number; maxEntries: number }) => void) => {
    const spec = fixture("lib_maps", "none");
    edit(spec.maps.get("numbers") as never);
    return thrownBy(() => BpfObject.load(spec)) as BpfError;
  };
  const none = refused((map) => {
    map.maxEntries = 0;
  });
  expect([none instanceof UnsupportedError || none instanceof BpfRuntimeError, none.errno]).toEqual([true, "EINVAL"]);
  const huge = refused((map) => {
    map.maxEntries = 0xffff_ffff;
    map.valueSize = 1 << 20;
  });
  expect(huge).toBeInstanceOf(BpfRuntimeError);
  expect(["E2BIG", "ENOMEM"]).toContain(huge.errno as string);
  const unknown = refused((map) => {
    map.type = 9999;
  });
  expect(unknown).toBeInstanceOf(UnsupportedError);
  for (const error of [none, huge, unknown]) {
    expect(error.subject).toBe("map numbers");
    expect(error.message).toStartWith("Cannot create map numbers (");
    expect(error.message).not.toContain("\n");
    expect([typeof error.likely, typeof error.action]).toEqual(["string", "string"]);
  }
});

testHere("numbers that the kernel would be given cut off are refused: sizes, entries, flags", () => {
  const plain = { type: 1, name: "plain", keySize: 4, valueSize: 4, maxEntries: 8 };
  const wrong = [1.5, -1, Number.NaN, 2 ** 32, 2 ** 40, "8" as never];
  for (const name of ["keySize", "valueSize", "maxEntries", "flags"]) {
    for (const value of wrong) {
      const error = thrownBy(() => createMap({ ...plain, [name]: value }).close());
      expect(error).toBeInstanceOf(BpfRuntimeError);
      expect((error as BpfError).message).toStartWith(`Cannot create map plain: its ${name} is `);
    }
  }
  using map = createMap(plain) as BpfHashMap<Uint8Array, Uint8Array>;
  const key = new Uint8Array(4);
  for (const flags of ["x" as never, Number.NaN, 1.5, -1, 2 ** 64, null as never]) {
    for (const use of [
      () => map.set(key, key, flags),
      () => map.get(key, flags),
      () => map.setMany([[key, key]], flags),
    ])
      expect(thrownBy(use)).toBeInstanceOf(TypeError);
    expect(thrownBy(() => openMap("/sys/fs/bpf/nothing", flags))).toBeInstanceOf(TypeError);
  }
  expect(map.size).toBe(0);
});

test("a closed map answers with EBADF, not with another's content", () => {
  const object = load("lib_maps", "none");
  const map = hash(object, "numbers");
  object.close();
  object.close();
  expect(thrownBy(() => map.get(1n))).toMatchObject({ errno: "EBADF", likely: "it is closed" });
  userSpace(() => {
    const uses = [() => map.set(1n, 1n), () => [...map.keys()], () => map.info(), () => map.pin("/sys/fs/bpf/closed")];
    for (const use of uses) expect((thrownBy(use) as BpfError).likely).toBe("it is closed");
  });
});

test("an unknown map or program is named, with those that there are", () => {
  using object = load("lib_maps", "none");
  expect(thrownBy(() => object.map("nothing"))).toBeInstanceOf(BpfRuntimeError);
  for (const name of object.spec.maps.keys()) expect(() => object.map("nothing")).toThrow(name);
  expect(() => object.program("count_cpu")).toThrow("it has none");
  expect(() => object.perfBuffer("numbers", "place")).toThrow("it is of type HASH");
});
