// Linked programs run as the same C compiled for this machine does, and refer to what they should.
import { describe, expect, test } from "bun:test";
import { type LinkedProgram, linkProgram, ObjectError, type ObjectSpec, parseObject } from "elf-loader";
import { compiled, compileFixture, fixture, json, runNatively } from "./compile.ts";
import { run } from "./interpreter.ts";

/** Links with descriptors 100, 101 … in the order of the object's maps. */
function link(spec: ObjectSpec, program: string): LinkedProgram {
  const names = [...spec.maps.keys()];
  return linkProgram(spec, program, (map) => 100 + names.indexOf(map));
}

const memoryOf = (spec: ObjectSpec) =>
  new Map([...spec.maps.values()].map((map, i) => [100 + i, (map.contents ?? new Uint8Array()).slice()]));

describe("variables in an arena", () => {
  const SHARED = `
    int __attribute__((address_space(1))) first = 5;
    long __attribute__((address_space(1))) second;
    SEC("syscall") int uses(void *ctx) { return first + second; }`;
  const ARENA = `
    struct { __uint(type, 33); __uint(map_flags, BPF_F_MMAPABLE); __uint(max_entries, 10); } arena SEC(".maps");`;

  test("are the arena's first bytes, by name", () => {
    const spec = parseObject(compiled(`${ARENA}${SHARED}`));
    expect([spec.globals.get("first"), spec.globals.get("second")]).toEqual([5, 0n]);
    spec.copy().globals.set("first", 6);
    spec.globals.set("second", 7n);
    expect([...(spec.maps.get("arena")?.contents ?? [])]).toEqual([5, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0]);
  });

  test("are where it is said that they begin", () => {
    const { insns } = linkProgram(parseObject(compiled(`${ARENA}${SHARED}`)), "uses", () => 100, { arenaData: 8192 });
    const words = new Int32Array(insns.slice().buffer);
    const loads = Array.from({ length: words.length / 4 }, (_, i) => [...words.subarray(2 * i, 2 * i + 4)]);
    const values = loads.filter(([code = 0, fd]) => (code & 0xf0ff) === 0x2018 && fd === 100).map(([, , , at]) => at);
    expect(values.sort()).toEqual([8192, 8200]);
  });

  test("without an arena are refused", () => {
    expect(() => parseObject(compiled(SHARED))).toThrow(
      new ObjectError("Cannot use variables in an arena: the object has no map of type ARENA", ".addr_space.1", 0),
    );
  });
});

describe("calls", () => {
  const expected = runNatively("calls");
  for (const target of ["bpf", "bpfeb"] as const) {
    for (const debug of [true, false]) {
      for (const program of ["main_one", "main_two", "main_alone", "with_callback"]) {
        test(`${program}, ${target}, ${debug ? "with" : "without"} BTF`, () => {
          const spec = parseObject(fixture("calls", { target, debug }));
          const { insns, insnCount } = link(spec, program);
          expect(insns.length).toBe(insnCount * 8);
          expect(run(insns, target === "bpf", memoryOf(spec))).toBe(expected.get(program) as bigint);
        });
      }
    }
  }

  test("only what a program reaches is linked to it", () => {
    const spec = parseObject(fixture("calls"));
    expect(link(spec, "main_alone").insnCount).toBe(8);
    expect(link(spec, "main_alone").usedMaps).toEqual([".data", ".rodata"]);
    expect(link(spec, "main_alone").funcInfo?.count).toBe(1);
  });

  test("linking changes neither the object nor a Buffer it came from", () => {
    const bytes = Buffer.from(fixture("calls"));
    const before = Uint8Array.from(bytes);
    const spec = parseObject(bytes);
    const first = link(spec, "main_one");
    expect(link(spec, "main_one").insns).toEqual(first.insns);
    expect(Uint8Array.from(bytes)).toEqual(before);
  });
});

test("an exception callback is put behind its program where the kernel would find it, by its tag", () => {
  const spec = parseObject(fixture("exceptions"));
  const functions = (program: string, knowsTags?: () => boolean) =>
    linkProgram(spec, program, () => 3, { symbols: new Map(), knowsTags }).funcInfo?.count;
  expect([functions("with_callback"), functions("with_callback", () => false)]).toEqual([2, 1]);
  expect(functions("without_callback", () => expect.unreachable())).toBe(1);
  expect(() => functions("callback_missing")).toThrow("its exception callback nobody is no global function");
  expect(functions("callback_missing", () => false)).toBe(1);
});

interface RawFunctions {
  types: { id: number; kind: string; name: string }[];
}

describe("func_info and line_info", () => {
  const path = compileFixture("calls");
  const spec = parseObject(fixture("calls"));
  const names = new Map(
    json<RawFunctions>("bpftool", "-j", "btf", "dump", "file", path).types.map(({ id, name }) => [id, name]),
  );
  const words = (bytes: Uint8Array) => new Uint32Array(bytes.slice().buffer);

  test("a record for each function, in order of the code", () => {
    const linked = link(spec, "main_one");
    const records = words(linked.funcInfo?.bytes as Uint8Array);
    const all = Array.from({ length: linked.funcInfo?.count ?? 0 }, (_, i) => [
      records[i * 2],
      names.get(records[i * 2 + 1] as number),
    ]);
    // Depth first, as libbpf appends them.
    expect(all).toEqual([
      [0, "main_one"],
      [11, "same_section"],
      [14, "leaf"],
      [32, "global_elsewhere"],
      [41, "global_text"],
      [50, "second_leaf"],
    ]);
  });

  test("lines rise, begin at each function and name the source", () => {
    const linked = link(spec, "main_one");
    const { bytes, recordSize = 0, count = 0 } = linked.lineInfo ?? { bytes: new Uint8Array() };
    const records = words(bytes);
    const offsets = Array.from({ length: count }, (_, i) => records[(i * recordSize) / 4] as number);
    expect(offsets).toEqual([...new Set(offsets)].sort((a, b) => a - b));
    for (const start of [0, 11, 14, 32, 41, 50]) expect(offsets).toContain(start);
    expect(offsets.at(-1)).toBeLessThan(linked.insnCount);
    for (let i = 0; i < count; i++) {
      expect(spec.btf?.stringAt(records[(i * recordSize) / 4 + 1] as number)).toEndWith("calls.bpf.c");
    }
  });

  test("in the byte order of the object", () => {
    const big = link(parseObject(fixture("calls", { target: "bpfeb" })), "main_one");
    const view = new DataView(big.funcInfo!.bytes.slice().buffer);
    expect(view.getUint32(8, false)).toBe(11);
  });
});

describe("what cannot be linked yet says so", () => {
  const refused = (name: string, program: string, message: RegExp) => {
    const spec = parseObject(fixture(name));
    try {
      link(spec, program);
    } catch (error) {
      expect(error).toBeInstanceOf(ObjectError);
      expect((error as ObjectError).message).toMatch(message);
      return error as ObjectError;
    }
    throw new Error("linked");
  };

  test("CO-RE relocations, at their instruction", () => {
    const error = refused("core", "relocated", /CO-RE/);
    expect(error.section).toBe("tp_btf/sched_switch");
    expect(error.offset).toBeGreaterThan(0);
    const spec = parseObject(fixture("core"));
    expect(link(spec, "plain").insnCount).toBe(2);
  });

  test("externs, by name", () => {
    refused("constructs", "needs_function", /extern missing_function/);
    refused("constructs", "needs_variable", /extern missing_variable/);
    expect(link(parseObject(fixture("constructs")), "use").insnCount).toBeGreaterThan(2);
  });

  test("a program that is not there", () => {
    expect(() => link(parseObject(fixture("core")), "nobody")).toThrow(/Cannot find program nobody/);
  });
});
