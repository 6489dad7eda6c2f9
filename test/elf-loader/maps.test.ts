// Maps of an object: definitions by BTF, data sections, and the names the kernel gets.
import { describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { kernelMapName, ObjectError, parseObject } from "elf-loader";
import {
  BPF_F_MMAPABLE,
  BPF_F_NO_PREALLOC,
  BPF_F_RDONLY_PROG,
  BPF_MAP_TYPE_ARRAY,
  BPF_MAP_TYPE_BLOOM_FILTER,
  BPF_MAP_TYPE_HASH,
  BPF_MAP_TYPE_HASH_OF_MAPS,
  BPF_MAP_TYPE_LRU_HASH,
  BPF_MAP_TYPE_RINGBUF,
} from "elf-loader/uapi";
import { compiled, fixture, scratch } from "./compile.ts";

for (const target of ["bpf", "bpfeb"] as const) {
  describe(`definitions, ${target}`, () => {
    const { maps, btf } = parseObject(fixture("maps", { target }));

    test("key and value by type", () => {
      expect(maps.get("by_type")).toMatchObject({
        type: BPF_MAP_TYPE_HASH,
        keySize: 16,
        valueSize: 24,
        maxEntries: 100,
        flags: BPF_F_NO_PREALLOC,
        pinning: "by-name",
        frozen: false,
      });
      expect(btf?.type(maps.get("by_type")?.keyTypeId ?? 0)).toMatchObject({ kind: "struct", name: "key" });
      expect(btf?.type(maps.get("by_type")?.valueTypeId ?? 0)).toMatchObject({ kind: "array", length: 3 });
    });

    test("key and value by size; a NUMA node sets no flag", () => {
      expect(maps.get("by_size")).toMatchObject({
        ...{ type: BPF_MAP_TYPE_LRU_HASH, keySize: 12, valueSize: 20, keyTypeId: 0, valueTypeId: 0 },
        ...{ flags: 0, numaNode: 99_999, pinning: "none" },
      });
    });

    test("map_extra", () => {
      expect(maps.get("with_extra")).toMatchObject({ type: BPF_MAP_TYPE_BLOOM_FILTER, keySize: 0, mapExtra: 3n });
    });

    test("a map of maps has a template", () => {
      const outer = maps.get("outer");
      expect(outer).toMatchObject({ type: BPF_MAP_TYPE_HASH_OF_MAPS, keySize: 4, valueSize: 4 });
      expect(outer?.innerMap).toMatchObject({
        name: "outer.inner",
        type: BPF_MAP_TYPE_HASH,
        maxEntries: 5,
        valueSize: 16,
      });
    });

    test("a ring buffer", () => {
      expect(maps.get("a_name_that_is_too_long")).toMatchObject({ type: BPF_MAP_TYPE_RINGBUF, maxEntries: 4096 });
    });
  });
}

test("one arena is taken, two are not", () => {
  const arena = (name: string) =>
    `struct { __uint(type, 33); __uint(map_flags, 1024); __uint(max_entries, 2); } ${name} SEC(".maps");`;
  expect(parseObject(compiled(arena("one"))).maps.get("one")).toMatchObject({ type: 33, flags: 1024, maxEntries: 2 });
  const two = compiled(`${arena("one")} ${arena("two")}`);
  expect(() => parseObject(two)).toThrow("Cannot use map two: one is an arena already");
  expect(() => parseObject(two)).toThrow(ObjectError);
});

test("slots are set by the definition", () => {
  const { maps, warnings } = parseObject(fixture("map_slots"));
  const set = (name: string) =>
    Object.fromEntries((maps.get(name)?.slots ?? []).map(({ index, name }) => [index, name]));
  expect(set("by_index")).toEqual({ 1: "first", 3: "second" });
  expect(set("by_key")).toEqual({ 0: "second", 2: "first" });
  expect(set("jumps")).toEqual({ 0: "seven", 2: "eight" });
  expect(set("first")).toEqual({});
  expect(maps.get("jumps")).toMatchObject({ keySize: 4, valueSize: 4, maxEntries: 3 });
  expect(warnings).toEqual([]);
});

for (const target of ["bpf", "bpfeb"] as const)
  for (const debug of [true, false])
    test(`maps from before BTF, ${target}${debug ? "" : " without BTF"}, with a warning`, () => {
      const { maps, warnings, programs } = parseObject(fixture("map_legacy", { target, debug }));
      expect(maps.get("old_counts")).toMatchObject({
        ...{ type: BPF_MAP_TYPE_HASH, keySize: 4, valueSize: 8, maxEntries: 3, flags: BPF_F_NO_PREALLOC },
        ...{ keyTypeId: 0, valueTypeId: 0, pinning: "none" },
      });
      expect(maps.get("old_slots")).toMatchObject({ type: BPF_MAP_TYPE_ARRAY, valueSize: 4, maxEntries: 5, flags: 0 });
      expect(maps.size).toBe(2);
      expect(warnings).toHaveLength(1);
      expect(warnings[0]).toContain("maps");
      expect([...programs.keys()]).toEqual(["use"]);
    });

test("maps from before BTF may leave out the last words of their definition", () => {
  const { maps } = parseObject(fixture("map_legacy_short"));
  expect(maps.get("counts")).toMatchObject({ type: BPF_MAP_TYPE_ARRAY, valueSize: 8, maxEntries: 3, flags: 0 });
});

test("data sections are maps of one entry", () => {
  const { maps } = parseObject(fixture("globals"));
  expect([...maps.keys()].sort()).toEqual([
    ".bss",
    ".bss.custom",
    ".data",
    ".data.custom",
    ".rodata",
    ".rodata.custom",
  ]);
  for (const [name, map] of maps) {
    const readOnly = name.startsWith(".rodata");
    expect(map).toMatchObject({ type: BPF_MAP_TYPE_ARRAY, keySize: 4, maxEntries: 1, frozen: readOnly, section: name });
    expect(map.flags).toBe(BPF_F_MMAPABLE | (readOnly ? BPF_F_RDONLY_PROG : 0));
    expect(map.contents?.length).toBe(map.valueSize);
    expect(map.valueTypeId).toBeGreaterThan(0);
  }
  expect(maps.get(".bss")?.contents).toEqual(new Uint8Array(56));
});

test("a section of static variables only is not mapped", () => {
  expect(parseObject(fixture("calls")).maps.get(".bss")?.flags).toBe(0);
});

test("names in the kernel are libbpf's", () => {
  const spec = parseObject(fixture("globals"), "a-long-object-name.bpf.o");
  expect(spec.name).toBe("a-long-object-name");
  const names = [...spec.maps].map(([name, map]) => [name, kernelMapName(spec, map)]);
  expect(Object.fromEntries(names)).toEqual({
    ".rodata": "a_long_o.rodata",
    ".data": "a_long_o.data",
    ".bss": "a_long_o.bss",
    ".data.custom": ".data.custom",
    ".rodata.custom": ".rodata.custom",
    ".bss.custom": ".bss.custom",
  });
  const long = parseObject(fixture("maps")).maps.get("a_name_that_is_too_long")!;
  expect(kernelMapName(spec, long)).toBe("a_name_that_is_");
});

test("license and version", () => {
  const spec = parseObject(fixture("globals"));
  expect(spec.license).toBe("Dual MIT/GPL");
  expect(spec.kernelVersion).toBe(0x60100);
  expect(parseObject(fixture("sections")).license).toBe("");
});

test("maps without BTF are refused by name of the section", () => {
  try {
    parseObject(fixture("maps", { debug: false }));
    throw new Error("parsed");
  } catch (error) {
    expect(error).toBeInstanceOf(ObjectError);
    expect(error).toMatchObject({ class: "object", section: ".maps", subject: ".maps+0x0" });
  }
});

test("all 32 bits of flags are a number, none of them its sign", () => {
  const { maps } = parseObject(
    compiled(`struct {
      __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 1); __uint(map_flags, 0x80000001);
      __type(key, int); __type(value, int);
    } all SEC(".maps");`),
  );
  expect(maps.get("all")?.flags).toBe(0x80000001);
});

test("a section of variables that was renamed: where clang left its size to be filled in, it is missed", () => {
  const [whole, renamed] = [scratch("whole.o"), scratch("renamed.o")];
  const rename = (from: string) => {
    execFileSync("llvm-objcopy-19", ["--rename-section=license=other", from, renamed]);
    return parseObject(new Uint8Array(readFileSync(renamed)));
  };
  writeFileSync(whole, compiled(`int kept = 1; char LICENSE[] SEC("license") = "GPL";`));
  expect(parseObject(new Uint8Array(readFileSync(whole))).license).toBe("GPL");
  expect(() => rename(whole)).toThrow("Cannot find section license, which BTF has variables of");
  // A linker writes sizes and places: what libbpf asks for then is the variable's symbol.
  const linked = scratch("linked.o");
  execFileSync("bpftool", ["gen", "object", linked, whole]);
  expect(rename(linked).license).toBe("");
  execFileSync("llvm-objcopy-19", ["--remove-section=license", linked, renamed]);
  expect(() => parseObject(new Uint8Array(readFileSync(renamed)))).toThrow(
    "Cannot find the symbol of variable LICENSE",
  );
});

test("values by keys that are no index are refused, as there is none to say which", () => {
  const source = (key: string) => `
    struct in { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1); __type(key, int); __type(value, int); } one SEC(".maps");
    struct { __uint(type, BPF_MAP_TYPE_HASH_OF_MAPS); __uint(max_entries, 2); __type(key, ${key}); __array(values, struct in); }
      outer SEC(".maps") = { .values = { &one } };`;
  expect(parseObject(compiled(source("int"))).maps.get("outer")?.slots).toEqual([{ index: 0, name: "one" }]);
  expect(() => parseObject(compiled(source("long")))).toThrow("Cannot use map outer: values by keys of 8 bytes");
});
