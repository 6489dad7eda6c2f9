// Every map type with keys and values, held against JavaScript's own Map: rows of one table.

import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { BPF_F_NO_PREALLOC } from "elf-loader/uapi";
import { possibleCpuCount } from "../../src/host/cpus.ts";
import {
  BPF_ANY,
  BPF_EXIST,
  BPF_NOEXIST,
  type BpfArray,
  type BpfError,
  BpfHashMap,
  type BpfKeyedMap,
  type BpfLpmTrie,
  type BpfPerCpuArray,
  BpfRuntimeError,
  type BpfTable,
  type Btf,
  codecOf,
  createMap,
  MAP_TYPES,
  type MapSpec,
  type Memory,
  type PerCpuValues,
  probeMapType,
} from "../../src/index.ts";
import { fixture, leavesNoDescriptors, thrownBy } from "./lib-support.ts";
import { isSince, lacks, make, randomNumbers, u32, u64 } from "./maps-support.ts";
import { GUEST, SLOWNESS, testHere } from "./support.ts";

setDefaultTimeout(10_000 * SLOWNESS);

type Value = bigint | readonly bigint[];
type Keyed = BpfHashMap<number, Value, Value>;

interface Row {
  readonly type: string;
  readonly value: (n: number) => Value;
  /** Whether a full one refuses the next key. */
  readonly refuses: boolean;
  /** What the kernel wants said of it. */
  readonly flags?: number;
}

const one = (n: number) => BigInt(n);
const each = (n: number) => Array.from({ length: possibleCpuCount() }, (_, cpu) => BigInt(n * 1000 + cpu));

const ROWS: readonly Row[] = [
  { type: "HASH", value: one, refuses: true },
  { type: "LRU_HASH", value: one, refuses: false },
  { type: "PERCPU_HASH", value: each, refuses: true },
  { type: "LRU_PERCPU_HASH", value: each, refuses: false },
  { type: "RHASH", value: one, refuses: true, flags: BPF_F_NO_PREALLOC },
];

/** Far more than is put in: an LRU map of few slots forgets before it is full, once another CPU wants some of them. */
const ROOM = 4096;

const open = (row: Row, maxEntries: number): Keyed =>
  make<Keyed>(row.type, { keySize: 4, valueSize: 8, maxEntries, flags: row.flags ?? 0 }).withCodecs({
    key: u32,
    value: u64,
  });

const errnoOf = (action: () => unknown) => (thrownBy(action) as BpfError).errno;
const plain = (value: unknown) => (Array.isArray(value) ? [...value] : value);
const contents = (map: BpfTable<number, Value, Value>) =>
  new Map([...map].map(([key, value]) => [key, plain(value)] as const).sort(([a], [b]) => a - b));
const sorted = (model: Map<number, Value>) => new Map([...model].sort(([a], [b]) => a - b));

leavesNoDescriptors();

test("the probe of no type says no on a kernel that should have it", () => {
  const answers = MAP_TYPES.map((row) => [row.name, probeMapType(row) === 0] as const);
  console.log(`map types here: ${answers.map(([name, yes]) => (yes ? name : `no ${name}`)).join(", ")}`);
  const wrong = answers.filter(([name, yes], i) => yes !== isSince(MAP_TYPES[i]?.since ?? "") && !excused(name));
  expect(wrong).toEqual([]);
});

/** Built without what it takes. */
const excused = (_name: string): boolean => false;

for (const row of ROWS)
  describe.skipIf(lacks(row.type))(row.type, () => {
    test("does what a Map does, whatever comes in whatever order", () => {
      using map = open(row, ROOM);
      const model = new Map<number, Value>();
      const random = randomNumbers(row.type.length);
      const key = () => random(64);
      const pairs = () => Array.from({ length: random(20) }, () => [key(), row.value(random(1e6))] as const);
      const actions: readonly (() => void)[] = [
        () => {
          const [k, v] = [key(), row.value(random(1e6))];
          map.set(k, v);
          model.set(k, v);
        },
        () => {
          const k = key();
          expect(map.delete(k)).toBe(model.delete(k));
        },
        () => {
          const k = key();
          expect([plain(map.get(k)), map.has(k)]).toEqual([model.get(k), model.has(k)]);
        },
        () => {
          const k = key();
          expect(plain(map.take(k))).toEqual(model.get(k));
          model.delete(k);
        },
        () => {
          const list = pairs();
          map.setMany(list);
          for (const [k, v] of list) model.set(k, v);
        },
        () => {
          const keys = pairs().map(([k]) => k);
          const there = new Set(keys.filter((k) => model.has(k)));
          expect(map.deleteMany(keys)).toBe(there.size);
          for (const k of there) model.delete(k);
        },
        () => {
          if (random(10) > 0) return;
          expect(new Map([...map.takeAll()].map(([k, v]) => [k, plain(v)] as const).sort(([a], [b]) => a - b))).toEqual(
            sorted(model) as Map<number, unknown>,
          );
          model.clear();
        },
      ];
      for (let step = 0; step < (GUEST ? 150 : 1500); step++) {
        actions[random(actions.length)]?.();
        if (step % 50 === 0) expect(contents(map)).toEqual(sorted(model) as Map<number, unknown>);
      }
      expect(contents(map)).toEqual(sorted(model) as Map<number, unknown>);
      expect([map.size, [...map.keys()].length, [...map.values()].length]).toEqual([
        model.size,
        model.size,
        model.size,
      ]);
      map.clear();
      expect([map.size, map.has(1)]).toEqual([0, false]);
    });

    test("batches come to what single operations come to, larger than one call takes", () => {
      const count = GUEST ? 1200 : 3000;
      using batched = open(row, 8192);
      using single = open(row, 8192);
      const entries = Array.from({ length: count }, (_, i) => [i * 7, row.value(i)] as const);
      batched.setMany(entries);
      for (const [key, value] of entries) single.set(key, value);
      expect(contents(batched)).toEqual(contents(single));
      expect(batched.size).toBe(count);
      const keys = entries.map(([key]) => key + (key % 3)); // two of three are not there
      expect(batched.deleteMany(keys)).toBe(keys.filter((key) => single.delete(key)).length);
      expect(contents(batched)).toEqual(contents(single));
      expect([...batched.takeAll()].length).toBe(single.size);
      expect(batched.size).toBe(0);
    });

    test("flags forbid what they forbid, also in the midst of many", () => {
      using map = open(row, ROOM);
      map.set(1, row.value(1), BPF_NOEXIST);
      expect(errnoOf(() => map.set(1, row.value(2), BPF_NOEXIST))).toBe("EEXIST");
      expect(errnoOf(() => map.set(2, row.value(2), BPF_EXIST))).toBe("ENOENT");
      expect(errnoOf(() => map.set(2, row.value(2), 0x4000))).toBe("EINVAL");
      map.set(1, row.value(3), BPF_EXIST);
      const many = [3, 4, 1, 5].map((key) => [key, row.value(9)] as const);
      const error = thrownBy(() => map.setMany(many, BPF_NOEXIST)) as BpfError;
      expect([error.errno, error.likely]).toEqual(["EEXIST", "the key is there already (BPF_NOEXIST)"]);
      expect(contents(map)).toEqual(
        new Map<number, unknown>([
          [1, row.value(3)],
          [3, row.value(9)],
          [4, row.value(9)],
        ]),
      );
    });

    test("full, it refuses or forgets; and takes changes of what it has", () => {
      using map = open(row, 256);
      for (let i = 0; i < 256; i++) map.set(i, row.value(i));
      const added = () => {
        for (let i = 1000; i < 1600; i++) map.set(i, row.value(i));
      };
      if (row.refuses) expect(errnoOf(added)).toBe("E2BIG");
      else added();
      expect(map.size).toBeLessThanOrEqual(256);
      if (row.refuses) expect(map.size).toBe(256);
      const kept = [...map.keys()].at(-1) as number;
      map.set(kept, row.value(77));
      expect(plain(map.get(kept))).toEqual(row.value(77));
    });

    if (row.refuses)
      test("full, it takes of many what comes before the first that does not fit, and nothing behind", () => {
        using map = open(row, 4);
        map.setMany([0, 1, 2, 3].map((key) => [key, row.value(key)] as const));
        const many = [0, 100, 1].map((key) => [key, row.value(50)] as const);
        expect(errnoOf(() => map.setMany(many))).toBe("E2BIG");
        expect([0, 1, 100].map((key) => plain(map.get(key)))).toEqual([row.value(50), row.value(1), undefined]);
      });

    test("a walk ends, and has every key that stays, while others come and go", () => {
      using map = open(row, ROOM);
      for (let i = 0; i < 1000; i++) map.set(i, row.value(i));
      const seen: number[] = [];
      for (const [key] of map) {
        seen.push(key);
        if (seen.length > 20_000) throw new Error("the walk does not end");
        if (key % 2 === 1) map.delete(key);
        if (seen.length < 1000) map.set(100_000 + seen.length, row.value(1)).delete(100_000 + seen.length - 1);
      }
      const staying = Array.from({ length: 500 }, (_, i) => i * 2);
      expect(seen.filter((key) => key < 1000 && key % 2 === 0).sort((a, b) => a - b)).toEqual(staying);
      expect(new Set(seen).size).toBe(seen.length);
    });

    test("what does not fit is refused before the kernel sees it", () => {
      const flags = row.flags ?? 0;
      using map = make<BpfHashMap>(row.type, { keySize: 6, valueSize: 3, maxEntries: ROOM, flags });
      const key = Uint8Array.of(1, 2, 3, 4, 5, 6);
      for (const wrong of [new Uint8Array(5), new Uint8Array(7), "123456", 5, undefined, null])
        expect(thrownBy(() => map.get(wrong))).toBeInstanceOf(TypeError);
      for (const wrong of [new Uint8Array(4), [new Uint8Array(2)], "abc", undefined])
        expect(thrownBy(() => map.set(key, wrong))).toBeInstanceOf(TypeError);
      expect(map.size).toBe(0);
      const value = Uint8Array.of(7, 8, 9);
      if (Array.isArray(row.value(1)))
        for (const count of [possibleCpuCount() - 1, possibleCpuCount() + 1])
          expect(thrownBy(() => map.set(key, new Array(count).fill(value)))).toBeInstanceOf(TypeError);
      const values = Array.isArray(row.value(1)) ? (row.value(1) as []).map(() => value) : value;
      map.set(key, values);
      map.setMany([[Uint8Array.of(6, 5, 4, 3, 2, 1), values]]);
      expect([...map].map(([k, v]) => [k, plain(v)])).toContainEqual([key, values]);
      expect(map.size).toBe(2);
    });

    test("frozen, it can be read and no more; closed, not even that", () => {
      const map = open(row, 64);
      map.set(1, row.value(1));
      expect(map.frozen).toBe(false);
      map.freeze();
      expect(map.frozen).toBe(true);
      for (const write of [
        () => map.set(1, row.value(2)),
        () => map.delete(1),
        () => map.setMany([[2, row.value(2)]]),
      ]) {
        const error = thrownBy(write) as BpfError;
        expect([error instanceof BpfRuntimeError, error.errno]).toEqual([true, "EPERM"]);
        expect(error.likely).toContain("frozen");
      }
      expect(plain(map.get(1))).toEqual(row.value(1));
      map.close();
      expect(errnoOf(() => map.get(1))).toBe("EBADF");
    });
  });

testHere("a key that is text is what is typed, though JSON would have it a number", () => {
  const btf = fixture("lib_maps").btf as Btf;
  const measure = btf.type(btf.findByName("measure", "struct"));
  const unit = measure.kind === "struct" ? measure.members.find(({ name }) => name === "unit") : undefined;
  using map = make<BpfHashMap<string, bigint>>("HASH", { keySize: 4, valueSize: 8, maxEntries: 16 }).withCodecs({
    key: codecOf(btf, unit?.type ?? 0, 4),
    value: u64,
  });
  const texts = ["abc", "123", "true", "null", "1e3", "{}", "[1]", '"7"', ""];
  for (const [i, text] of texts.entries()) map.set(map.keyFrom(text) as string, BigInt(i));
  const keys = texts.map((text) => (text === '"7"' ? "7" : text)); // in quotes it is JSON
  expect(keys.map((key) => map.get(key))).toEqual(texts.map((_, i) => BigInt(i)));
  expect(thrownBy(() => map.keyFrom("12345"))).toBeInstanceOf(TypeError);
});

describe("a bucket with more elements than a batch has room for", () => {
  /** The kernel's hash of a key of 4 bytes with seed 0 (jhash2, include/linux/jhash.h). */
  function jhash(key: number): number {
    const start = 0xdeadbeef + 4;
    let [a, b, c] = [(start + key) | 0, start | 0, start | 0];
    const turned = (x: number, bits: number) => (x << bits) | (x >>> (32 - bits));
    c = (c ^ b) - turned(b, 14);
    a = (a ^ c) - turned(c, 11);
    b = (b ^ a) - turned(a, 25);
    c = (c ^ b) - turned(b, 16);
    a = (a ^ c) - turned(c, 4);
    b = (b ^ a) - turned(a, 14);
    c = (c ^ b) - turned(b, 24);
    return c;
  }
  const BPF_F_ZERO_SEED = 64;
  const SLOTS = 64; // and as many buckets
  const IN_ONE = 40; // where values of so many bytes leave room for 16 in a batch
  const VALUE_SIZE = 8192;

  test("is read whole, and taken whole", () => {
    const spec = { keySize: 4, valueSize: VALUE_SIZE, maxEntries: SLOTS, flags: BPF_F_ZERO_SEED };
    using map = make<BpfHashMap<number, Uint8Array>>("HASH", spec).withCodecs({ key: u32 });
    const all = Array.from({ length: SLOTS ** 2 }, (_, key) => key);
    const keys = all.filter((key) => jhash(key) % SLOTS === 0).slice(0, IN_ONE);
    expect(keys).toHaveLength(IN_ONE);
    keys.push(all.find((key) => jhash(key) % SLOTS !== 0) as number);
    for (const key of keys) map.set(key, new Uint8Array(VALUE_SIZE).fill(key));
    const read = new Map(map);
    expect([read.size, map.size]).toEqual([keys.length, keys.length]);
    for (const key of keys) expect(read.get(key)?.[VALUE_SIZE - 1]).toBe(key % 256);
    expect(new Set([...map.takeAll()].map(([key]) => key))).toEqual(new Set(read.keys()));
    expect(map.size).toBe(0);
  });
});

describe("PERCPU", () => {
  test("values are added up, and the greatest is found, member by member", () => {
    using map = make<BpfHashMap<number, never, unknown>>("PERCPU_HASH", { keySize: 4, valueSize: 8, maxEntries: 4 });
    map.withCodecs({
      key: u32,
      value: {
        ...u64,
        decode: (memory: Memory, at: number) => ({
          n: memory.view.getUint32(at, true),
          list: [memory.view.getUint32(at + 4, true)],
        }),
      } as never,
    });
    map.set(
      1,
      each(1).map((_, cpu) => (BigInt(cpu + 5) << 32n) | BigInt(cpu + 1)),
    );
    const cpus = possibleCpuCount();
    const values = map.get(1) as unknown as { sum(): unknown; max(): unknown };
    const total = (cpus * (cpus + 1)) / 2;
    expect(values.sum()).toEqual({ n: total, list: [total + 4 * cpus] });
    expect(values.max()).toEqual({ n: cpus, list: [cpus + 4] });
  });
});

testHere("PERCPU values that are no numbers are those of the first CPU that wrote any", () => {
  const names = ["NONE", "SOME"];
  const decode = (memory: Memory, at: number) => {
    const byte = memory.view.getUint8(at);
    return { level: names[byte] ?? byte, seen: byte > 0, comm: byte > 0 ? `c${byte}` : "" };
  };
  using map = make<BpfHashMap<number, never, unknown>>("PERCPU_HASH", { keySize: 4, valueSize: 8, maxEntries: 4 });
  map.withCodecs({ key: u32, value: { ...u64, decode } as never });
  const sumOf = (written: bigint) => {
    map.set(1, [...new Array(possibleCpuCount() - 1).fill(0n), written]);
    return (map.get(1) as unknown as { sum(): unknown }).sum();
  };
  expect(sumOf(0n)).toEqual({ level: "NONE", seen: false, comm: "" });
  expect(sumOf(1n)).toEqual({ level: "SOME", seen: true, comm: "c1" });
  expect(sumOf(7n)).toEqual({ level: 7, seen: true, comm: "c7" });
});

testHere("PERCPU values that are bytes are not added up: they are those of the first CPU", () => {
  using map = make<BpfPerCpuArray<Uint8Array>>("PERCPU_ARRAY", { keySize: 4, valueSize: 3, maxEntries: 1 });
  map.set(
    0,
    each(1).map((_, cpu) => Uint8Array.of(200, cpu, 7)),
  );
  const values = map.get(0);
  expect([values?.sum(), values?.max()]).toEqual([Uint8Array.of(200, 0, 7), Uint8Array.of(200, 0, 7)]);
});

testHere("PERCPU values that BTF says are no counts are one CPU's, and a sum that does not fit is told apart", () => {
  const { maps, btf } = fixture("run_shapes");
  using map = createMap(maps.get("of_cpus") as MapSpec, { types: btf }) as BpfPerCpuArray<object>;
  const mac = [254, 0, 3, 0, 0, 9];
  const single = { task: 0xffff888000000000n, mac, letter: 120, level: "HIGH", comm: "sh" };
  const nothing = { task: 0n, mac: mac.map(() => 0), letter: 0, level: 0, comm: "" };
  const counts = { count: 2n ** 63n - 1n, address: 0x7fffffff, delta: -16384, flags: 7, low: -4, ratio: 1.5 };
  const zeros = { count: 0n, address: 0, delta: 0, flags: 0, low: 0, ratio: 0 };
  const written = (...first: object[]) => {
    map.set(0, [...first, ...new Array(possibleCpuCount() - first.length).fill({ ...nothing, ...zeros })]);
    return map.get(0) as PerCpuValues<object>;
  };
  const twice = { count: 2n ** 64n - 2n, address: 0xfffffffe, delta: -32768, flags: 14, low: -8, ratio: 3 };
  const [one, other] = [
    { ...single, ...counts },
    { ...single, letter: 121, ...counts },
  ];
  const fitting = written(one, other);
  expect([fitting.sum(), fitting.total()]).toEqual([
    { ...single, ...twice },
    { ...single, ...twice },
  ]);
  expect(fitting.max()).toEqual(possibleCpuCount() > 2 ? { ...one, delta: 0, low: 0 } : one);
  expect(written({ ...nothing, ...zeros }, one).total()).toEqual(one); // the first that wrote any

  const more = { count: 2n ** 63n + 1n, address: 0x80000001, delta: -16385, flags: 9, low: -5, ratio: 1e300 };
  const beyond = written(one, { ...single, ...more });
  const sums = { count: 2n ** 64n, address: 2 ** 32, delta: -32769, flags: 16, low: -9, ratio: 1e300 };
  expect(beyond.sum()).toEqual({ ...single, ...sums });
  const rest = new Array(possibleCpuCount() - 2).fill(0);
  const all = Object.fromEntries(
    Object.entries(counts).map(([name, value]) => {
      const zero = typeof value === "bigint" ? rest.map(() => 0n) : rest;
      return [name, [value, more[name as keyof typeof more], ...zero]];
    }),
  );
  expect(beyond.total()).toEqual({ ...single, ...all, ratio: 1e300 });
});

const ARRAYS: readonly Row[] = [
  { type: "ARRAY", value: one, refuses: true },
  { type: "PERCPU_ARRAY", value: each, refuses: true },
];

for (const row of ARRAYS)
  describe(row.type, () => {
    const openArray = (maxEntries: number) =>
      make<BpfArray<Value, Value>>(row.type, { keySize: 4, valueSize: 8, maxEntries }).withCodecs({ value: u64 });

    test("has every value from the start, by index, singly and in batches", () => {
      using map = openArray(1500);
      expect([map.length, map.size, map.has(0), map.has(1499), map.has(1500)]).toEqual([1500, 1500, true, true, false]);
      expect(plain(map.get(7))).toEqual(plain(Array.isArray(row.value(1)) ? each(0).map(() => 0n) : 0n));
      const entries = Array.from({ length: 1500 }, (_, i) => [i, row.value(i * 3)] as const);
      map.setMany(entries);
      expect([...map].map(([key, value]) => [key, plain(value)])).toEqual(entries as never);
      for (const i of [0, 1, 777, 1499]) expect(plain(map.get(i))).toEqual(row.value(i * 3));
    });

    test("has nothing beyond its end, and forbids by flags", () => {
      using map = openArray(3);
      for (const index of [3, -1, 2 ** 32, 0.5, Number.NaN]) {
        expect([map.get(index), map.has(index)]).toEqual([undefined, false]);
        expect(errnoOf(() => map.set(index, row.value(1)))).toBe("E2BIG");
      }
      expect(errnoOf(() => map.set(1, row.value(1), BPF_NOEXIST))).toBe("EEXIST");
      map.set(1, row.value(5), BPF_EXIST).set(2, row.value(6), BPF_ANY);
      expect([...map.values()].slice(1).map(plain)).toEqual([row.value(5), row.value(6)]);
    });
  });

describe("ARRAY", () => {
  test("in memory, what one side writes the other reads", () => {
    const BPF_F_MMAPABLE = 1024;
    using map = make<import("../../src/index.ts").BpfPlainArray<number>>("ARRAY", {
      ...{ keySize: 4, valueSize: 4, maxEntries: 3000, flags: BPF_F_MMAPABLE },
    }).withCodecs({ value: u32 });
    using memory = map.mmap();
    expect([memory.length, memory.stride]).toEqual([3000, 8]);
    memory.set(2999, 41);
    map.set(0, 7);
    expect([map.get(2999), memory.get(0), memory.bytes(0).length]).toEqual([41, 7, 4]);
    memory.memory.u32[2] = 99; // value 1
    expect(map.get(1)).toBe(99);
    for (const index of [-1, 3000, 0.5]) expect(() => memory.get(index)).toThrow(RangeError);
    const busy = { errno: "EBUSY", likely: expect.stringContaining("mapped into memory for writing") };
    expect(thrownBy(() => map.freeze())).toMatchObject(busy);
    memory.close();
    for (const use of [() => memory.get(0), () => memory.set(0, 1), () => memory.bytes(0), () => memory.memory])
      expect(thrownBy(use)).toMatchObject({ message: expect.stringContaining("it is closed") });
    map.freeze();
    using readable = map.mmap(false);
    expect(readable.get(2999)).toBe(41);
    expect(thrownBy(() => readable.set(0, 1))).toBeInstanceOf(BpfRuntimeError);
    expect(errnoOf(() => map.mmap())).toBe("EPERM");
    using plainMap = make<typeof map>("ARRAY", { keySize: 4, valueSize: 4, maxEntries: 1 });
    expect(errnoOf(() => plainMap.mmap())).toMatch(/^E/);
  });
});

describe("LPM_TRIE", () => {
  const trie = (size: number, maxEntries = 4096) =>
    make<BpfLpmTrie<string, bigint>>("LPM_TRIE", { keySize: 4 + size, valueSize: 8, maxEntries }).withCodecs({
      value: u64,
    });

  /** The plain reference: every prefix looked at. */
  function longest(table: Map<string, bigint>, address: Uint8Array): bigint | undefined {
    let best = -1;
    let found: bigint | undefined;
    for (const [prefix, value] of table) {
      const [bytes, bits] = [addressOf(prefix, address.length), bitsOf(prefix, address.length)];
      const covers = Array.from({ length: bits }, (_, i) => i).every(
        (i) => (((bytes[i >> 3] ?? 0) ^ (address[i >> 3] ?? 0)) & (0x80 >> (i & 7))) === 0,
      );
      if (covers && bits > best) [best, found] = [bits, value];
    }
    return found;
  }
  const bitsOf = (prefix: string, size: number) =>
    Number(prefix.split("/")[1]) + (size === 16 && !prefix.includes(":") ? 96 : 0);
  const addressOf = (prefix: string, size: number): number[] => {
    const text = prefix.split("/")[0] as string;
    if (!text.includes(":")) {
      const v4 = text.split(".").map(Number);
      return size === 4 ? v4 : [...new Array(10).fill(0), 255, 255, ...v4];
    }
    const words = text.split(":").map((word) => Number.parseInt(word, 16));
    return words.flatMap((word) => [word >> 8, word & 255]);
  };

  for (const size of [4, 16])
    test(`finds the longest prefix of ${size}-byte addresses as a plain search does, over random tables`, () => {
      const random = randomNumbers(size + 1);
      using map = trie(size);
      const table = new Map<string, bigint>();
      for (let i = 0; i < (GUEST ? 60 : 300); i++) {
        // Few bits apart, so that prefixes nest.
        const bits = random(size * 8 + 1);
        const bytes = Array.from({ length: size }, () => [0, 128, 255, 10][random(4)] as number).map((byte, at) => {
          const keep = Math.min(8, Math.max(0, bits - at * 8));
          return byte & (0xff << (8 - keep)) & 0xff;
        });
        const prefix =
          size === 4
            ? `${bytes.join(".")}/${bits}`
            : `${Array.from({ length: 8 }, (_, w) => (((bytes[2 * w] ?? 0) << 8) | (bytes[2 * w + 1] ?? 0)).toString(16)).join(":")}/${bits}`;
        map.set(prefix, BigInt(i));
        table.set(prefix, BigInt(i));
      }
      expect(map.size).toBe(table.size);
      for (let i = 0; i < (GUEST ? 100 : 1000); i++) {
        const address = Uint8Array.from({ length: size }, () => [0, 128, 255, 10, 11][random(5)] as number);
        const key = new Uint8Array(4 + size);
        key[0] = size * 8;
        key.set(address, 4);
        expect(map.get(key as never)).toBe(longest(table, address) as bigint);
      }
      for (const prefix of [...table.keys()].slice(0, 20)) expect(map.delete(prefix)).toBe(true);
      expect(map.size).toBe(table.size - 20);
      map.clear();
      expect([...map]).toEqual([]);
    });

  test("keys are text, IPv4 among IPv6 too, and come back in one spelling", () => {
    using v4 = trie(4);
    v4.set("10.0.0.0/8", 1n).set("10.1.0.0/16", 2n).set("0.0.0.0/0", 3n);
    expect(["10.2.3.4", "10.1.255.255", "11.0.0.1", "10.0.0.0/12"].map((key) => v4.get(key))).toEqual([1n, 2n, 3n, 1n]);
    expect([...v4.keys()].sort()).toEqual(["0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16"]);
    using v6 = trie(16);
    v6.set("2001:db8::/32", 1n).set("10.0.0.0/8", 2n).set("::/0", 3n).set("2001:DB8:0:1::/64", 4n);
    v6.set("0.0.0.0/0", 5n).set("::1", 6n);
    const asked = [
      "2001:db8::1",
      "10.255.0.1",
      "::ffff:10.0.0.1",
      "fe80::1",
      "2001:db8:0:1:ffff::",
      "192.168.1.1",
      "::1",
    ];
    expect(asked.map((key) => v6.get(key))).toEqual([1n, 2n, 2n, 3n, 4n, 5n, 6n]);
    const keys = ["0.0.0.0/0", "10.0.0.0/8", "2001:db8:0:1::/64", "2001:db8::/32", "::/0", "::1/128"];
    expect([...v6.keys()].sort()).toEqual(keys);
    expect([v6.delete("10.0.0.0/8"), v6.delete("10.0.0.0/8"), v6.get("10.1.1.1")]).toEqual([true, false, 5n]);
    const wrong = [
      "10.0.0.1/8",
      "10.0.0.0/33",
      "300.0.0.0/8",
      "10.0.0/8",
      "::1::/64",
      "2001:db8::/129",
      "",
      "10.0.0.0/",
      "a",
    ];
    for (const key of wrong) expect([key, thrownBy(() => v6.get(key)) instanceof TypeError]).toEqual([key, true]);
    expect(thrownBy(() => v4.get("::1"))).toBeInstanceOf(TypeError);
    expect(errnoOf(() => v4.set(Uint8Array.of(33, 0, 0, 0, 0, 0, 0, 0) as never, 1n))).toBe("EINVAL");
  });

  test("a walk gives no prefix the value of another, though it goes meanwhile", () => {
    for (const gone of [1, 2, 30, 59]) {
      using map = trie(4).set("10.0.0.0/8", 1n);
      for (let i = 0; i < 60; i++) map.set(`10.${i}.0.0/16`, 100n + BigInt(i));
      const seen = new Map<string, bigint>();
      for (const [prefix, value] of map) {
        seen.set(prefix, value);
        if (seen.size === 1) map.delete(`10.${gone}.0.0/16`);
      }
      for (let i = 0; i < 60; i++) {
        const expected = i === gone && !seen.has(`10.${i}.0.0/16`) ? undefined : 100n + BigInt(i);
        expect([gone, i, seen.get(`10.${i}.0.0/16`)]).toEqual([gone, i, expected]);
      }
      expect(seen.get("10.0.0.0/8")).toBe(1n);
      if (!GUEST) expect(seen.has(`10.${gone}.0.0/16`)).toBe(false); // older kernels cannot tell
      expect(map.size).toBe(60);
    }
  });

  testHere("a walk hands out nothing any more where all is deleted meanwhile, and the only prefix there is", () => {
    using map = trie(4).set("10.0.0.0/8", 1n);
    expect([...map]).toEqual([["10.0.0.0/8", 1n]]);
    for (let i = 0; i < 6; i++) map.set(`10.${i}.0.0/16`, 2n);
    let seen = 0;
    for (const _ of map) {
      seen++;
      for (const prefix of [...map.keys()]) map.delete(prefix);
    }
    expect(seen).toBe(1);
  });

  testHere("keys are read as they may be written, whatever bits others left behind the length", () => {
    for (const size of [4, 16]) {
      using map = trie(size);
      for (let bits = 0; bits <= 8 * size; bits++) {
        const key = new Uint8Array(4 + size).fill(0xff).fill(0, 4, size - 2); // ::ffff:255.255.255.255 in the long one
        key.set([bits, 0, 0, 0]);
        map.set(key as never, BigInt(bits));
      }
      const keys = [...map.keys()];
      expect(new Set(keys).size).toBe(8 * size + 1);
      for (const key of keys) expect([key, map.delete(key)]).toEqual([key, true]);
      expect(map.size).toBe(0);
    }
  });

  test("full, it refuses one prefix more", () => {
    using map = trie(4, 2);
    map.set("10.0.0.0/8", 1n).set("11.0.0.0/8", 1n);
    const error = thrownBy(() => map.set("12.0.0.0/8", 1n)) as BpfError;
    expect([error.errno, error.likely]).toEqual(["ENOSPC", expect.stringContaining("the map is full")]);
  });
});

/** As on a kernel, or of a type, that has no batches. */
class OneByOne extends BpfHashMap<number, bigint> {
  protected override readonly walksInBatches = false;
}

describe("maps without batches", () => {
  testHere("are taken and cleared key by key", () => {
    using made = make<BpfHashMap>("HASH", { keySize: 4, valueSize: 8, maxEntries: 64 });
    const map = new OneByOne(made.spec, made.fd).withCodecs({ key: u32, value: u64 });
    const entries = Array.from({ length: 50 }, (_, i) => [i * 7, BigInt(i)] as const);
    map.setMany(entries);
    const taken = map.takeAll();
    const first = taken.next().value as [number, bigint];
    expect([map.size, map.has(first[0])]).toEqual([49, false]);
    const gone = entries.find(([key]) => key !== first[0]) as [number, bigint];
    map.delete(gone[0]);
    const rest = entries.filter(([key]) => key !== first[0] && key !== gone[0]);
    const others = [...taken].filter(([key]) => key !== gone[0]);
    expect(new Map(others)).toEqual(new Map(rest));
    expect([others.length, map.size]).toEqual([48, 0]);
    map.setMany(entries).clear();
    expect(map.size).toBe(0);
  });

  const LOOPBACK = 1;
  const numbers = (maxEntries: number, count: number) =>
    make<BpfKeyedMap<number, { ifindex: number }, number>>("DEVMAP_HASH", {
      ...{ keySize: 4, valueSize: 4, maxEntries },
    }).setMany(Array.from({ length: count }, (_, i) => [i, LOOPBACK]));

  test("are begun again where the next key is gone, and yet no key is seen twice", () => {
    using map = numbers(64, 64);
    const seen: number[] = [];
    for (const [key] of map) {
      seen.push(key);
      if (seen.length % 8 === 0) map.deleteMany([...map.keys()].filter((other) => !seen.includes(other)).slice(0, 4));
      if (seen.length > 1000) throw new Error("the walk does not end");
    }
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen.length).toBeGreaterThan(8);
  });

  test("are walked to an end though every key is another as soon as it is looked at", () => {
    using map = numbers(16, 16);
    let steps = 0;
    for (const _ of map) {
      steps++;
      map.clear();
      map.setMany(Array.from({ length: 16 }, (_, i) => [steps * 16 + i, LOOPBACK]));
      if (steps > 1000) throw new Error("the walk does not end");
    }
    expect(steps).toBeGreaterThan(16);
  });

  test("are walked key by key, to the end, with every key that stays", () => {
    using map = make<BpfKeyedMap<number, { ifindex: number }, number>>("DEVMAP_HASH", {
      ...{ keySize: 4, valueSize: 4, maxEntries: 200 },
    });
    for (let i = 0; i < 100; i++) map.set(i * 3, LOOPBACK);
    const seen: number[] = [];
    for (const [key, value] of map) {
      expect(value).toEqual({ ifindex: LOOPBACK });
      seen.push(key);
      if (key % 2 === 1) map.delete(key);
      if (seen.length > 5000) throw new Error("the walk does not end");
    }
    expect(seen.sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i * 3));
    expect(map.size).toBe(50);
    expect(map.deleteMany([0, 1, 2, 6, 6])).toBe(2);
    map.setMany([
      [1, LOOPBACK],
      [2, LOOPBACK],
    ]);
    expect(map.size).toBe(50);
    map.clear();
    expect(map.size).toBe(0);
    expect(errnoOf(() => map.set(1, 999_999))).toMatch(/^E(INVAL|NODEV)$/);
  });
});
