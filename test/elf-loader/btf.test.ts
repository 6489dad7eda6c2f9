// BTF as bpftool reads it: every type of objects of both byte orders and of this machine's kernel, section fix-ups as
// libbpf's linker does them.
import { describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { Btf, type BtfType, kernelBtf, ObjectError, parseObject } from "elf-loader";
import { BTF_FUNC_STATIC, BTF_VAR_STATIC } from "elf-loader/uapi";
import { compileFixture, fixture, json, scratch } from "./compile.ts";

interface Raw {
  id: number;
  kind: string;
  name: string;
  vars?: { type_id: number; offset: number; size: number }[];
  [field: string]: unknown;
}

const dump = (path: string): Raw[] => json<{ types: Raw[] }>("bpftool", "-j", "btf", "dump", "file", path).types;

const KINDS: { readonly [kind: string]: string } = {
  pointer: "PTR",
  func_proto: "FUNC_PROTO",
  type_tag: "TYPE_TAG",
  decl_tag: "DECL_TAG",
};
const LINKAGES = ["static", "global", "extern"];
const named = (name: string) => name || "(anon)";

/** bpftool 7.1 extends the sign of 32-bit enumerators that have none. */
function bpftoolValue({ kind, signed }: { kind: string; signed: boolean }, value: number | bigint): number {
  const wrong = kind === "enum" && !signed && value > 0x7fff_ffff;
  return Number(wrong ? BigInt.asUintN(64, BigInt(Number(value) | 0)) : value);
}

/** One of our types as bpftool writes it, so that both can be compared whole. */
function asBpftool(id: number, type: BtfType): Raw {
  const base = { id, kind: KINDS[type.kind] ?? type.kind.toUpperCase(), name: named("name" in type ? type.name : "") };
  switch (type.kind) {
    case "int": {
      const encoding = type.bool ? "BOOL" : type.signed ? "SIGNED" : "(none)";
      return { ...base, size: type.size, bits_offset: type.bitOffset, nr_bits: type.bits, encoding };
    }
    case "array":
      return { ...base, type_id: type.type, index_type_id: type.indexType, nr_elems: type.length };
    case "struct":
    case "union": {
      const members = type.members.map((member) => ({
        name: named(member.name),
        type_id: member.type,
        bits_offset: member.bitOffset,
        ...(member.bitSize > 0 ? { bitfield_size: member.bitSize } : {}),
      }));
      return { ...base, size: type.size, vlen: members.length, members };
    }
    case "enum":
    case "enum64": {
      const values = type.values.map(({ name, value }) => ({ name: named(name), val: bpftoolValue(type, value) }));
      return { ...base, encoding: type.signed ? "SIGNED" : "UNSIGNED", size: type.size, vlen: values.length, values };
    }
    case "fwd":
      return { ...base, fwd_kind: type.union ? "union" : "struct" };
    case "func":
    case "var":
      return { ...base, type_id: type.type, linkage: LINKAGES[type.linkage] };
    case "func_proto": {
      const params = type.params.map((param) => ({ name: named(param.name), type_id: param.type }));
      return { ...base, ret_type_id: type.returnType, vlen: params.length, params };
    }
    case "datasec": {
      const vars = type.vars.map(({ type, offset, size }) => ({ type_id: type, offset, size }));
      return { ...base, size: type.size, vlen: vars.length, vars };
    }
    case "float":
      return { ...base, size: type.size };
    case "decl_tag":
      return { ...base, type_id: type.type, component_idx: type.component };
    case "void":
      return base;
    default:
      return { ...base, type_id: type.type };
  }
}

/** The BTF of a compiled fixture as clang wrote it, without our fix-ups. */
function plainBtf(path: string): string {
  const to = scratch("plain.btf");
  execFileSync("llvm-objcopy-19", [
    "-O",
    "binary",
    "--only-section=.BTF",
    "--set-section-flags",
    ".BTF=alloc",
    path,
    to,
  ]);
  return to;
}

for (const target of ["bpf", "bpfeb"] as const) {
  for (const name of ["constructs", "globals", "maps", "calls"]) {
    test(`every type of ${name}, ${target}`, () => {
      const path = compileFixture(name, { target });
      const btf = Btf.parse(new Uint8Array(readFileSync(plainBtf(path))));
      expect(btf.byteOrder).toBe(target === "bpf" ? "little" : "big");
      const expected = dump(path);
      expect(btf.typeCount).toBe(expected.length + 1);
      for (const raw of expected) expect(asBpftool(raw.id, btf.type(raw.id))).toEqual(raw);
    });

    test(`encoding ${name} gives the bytes it was parsed from, ${target}`, () => {
      const bytes = new Uint8Array(readFileSync(plainBtf(compileFixture(name, { target }))));
      expect(Btf.parse(bytes).encode()).toEqual(bytes);
    });
  }
}

test("the fixtures hold every kind", () => {
  const kinds = new Set(
    ["constructs", "globals"].flatMap((name) => dump(compileFixture(name)).map(({ kind }) => kind)),
  );
  expect(kinds.size).toBe(19);
});

describe("sections", () => {
  /** Variables of each data section by name, as offset and size. */
  const sections = (types: readonly Raw[]) => {
    const name = (id: number) => types.find((type) => type.id === id)?.name ?? "";
    const all = types.filter(({ kind }) => kind === "DATASEC");
    return new Map(
      all.map(({ name: section, size, vars = [] }) => [
        section,
        { size, vars: new Map(vars.map(({ type_id, offset, size }) => [name(type_id), { offset, size }])) },
      ]),
    );
  };

  for (const fixtureName of ["globals", "maps"]) {
    test(`sizes and offsets of ${fixtureName} are those of libbpf's linker`, () => {
      const path = compileFixture(fixtureName);
      const linked = scratch("linked.o");
      execFileSync("bpftool", ["gen", "object", linked, path]);
      const ours = scratch("ours.btf");
      writeFileSync(ours, kernelBtf(parseObject(fixture(fixtureName))) ?? new Uint8Array());
      const [expected, got] = [sections(dump(linked)), sections(dump(ours))];
      expect([...got.keys()].sort()).toEqual([...expected.keys()].sort());
      for (const [section, { size, vars }] of got) {
        expect({ section, size }).toEqual({ section, size: expected.get(section)?.size });
        for (const [name, place] of vars) {
          const known = expected.get(section)?.vars.get(name);
          if (!/static/.test(name))
            expect({ name, ...place }).toEqual({ name, ...(known ?? { offset: -1, size: -1 }) });
        }
      }
    });
  }

  test("variables are in order of offset, in a big-endian object too", () => {
    for (const target of ["bpf", "bpfeb"] as const) {
      const btf = parseObject(fixture("globals", { target })).btf as Btf;
      for (const id of btf.idsOf("datasec")) {
        const section = btf.type(id) as Extract<BtfType, { kind: "datasec" }>;
        const offsets = section.vars.map(({ offset }) => offset);
        expect(offsets).toEqual(offsets.toSorted((a, b) => a - b));
        expect(section.size).toBeGreaterThan(offsets.at(-1) as number);
      }
    }
  });

  test("variables out of order are put in order", () => {
    const bytes = fixture("globals");
    const expected = kernelBtf(parseObject(bytes));
    const section = parseObject(bytes).image.elf.sections.find(({ name }) => name === ".BTF")!.data;
    const { vars } = parseObject(bytes).btf!.type(parseObject(bytes).btf!.findByName(".bss", "datasec")) as never as {
      vars: { type: number; size: number }[];
    };
    // A btf_var_secinfo is type, offset and size; clang leaves the offset of a global 0.
    const wordsOf = () => new Uint32Array(section.slice(0, section.length & ~3).buffer);
    const words = wordsOf();
    const at = words.findIndex((_, i) =>
      vars.every((v, k) => words[i + k * 3] === v.type && words[i + k * 3 + 2] === v.size),
    );
    const swapped = [...words.slice(at + 3, at + 6), ...words.slice(at, at + 3)];
    section.set(new Uint8Array(Uint32Array.from(swapped).buffer), at * 4);
    expect(wordsOf()).not.toEqual(words);
    expect(kernelBtf(parseObject(bytes))).toEqual(expected!);
  });

  test("hidden variables and functions become static", () => {
    const btf = parseObject(fixture("globals")).btf as Btf;
    expect(btf.type(btf.findByName("hidden_global", "var"))).toMatchObject({ linkage: BTF_VAR_STATIC });
    expect(btf.type(btf.findByName("hidden_function", "func"))).toMatchObject({ linkage: BTF_FUNC_STATIC });
    expect(btf.type(btf.findByName("custom_one", "var"))).not.toMatchObject({ linkage: BTF_VAR_STATIC });
    expect(btf.type(btf.findByName("use", "func"))).not.toMatchObject({ linkage: BTF_FUNC_STATIC });
  });

  test("an object without BTF has none to load", () => {
    expect(kernelBtf(parseObject(fixture("calls", { debug: false })))).toBeUndefined();
  });
});

describe("looking up", () => {
  const btf = parseObject(fixture("constructs")).btf as Btf;

  test("by name and kind", () => {
    expect(btf.type(btf.findByName("holder"))).toMatchObject({ kind: "struct", size: 96 });
    expect(btf.type(btf.findByName("holder", "var"))).toMatchObject({ kind: "var" });
    expect(btf.findByName("holder", "union")).toBe(0);
    expect(btf.findByName("hold")).toBe(0);
    expect(btf.findByName("nothing of the kind")).toBe(0);
  });

  test("resolving and sizes", () => {
    expect(btf.resolved(btf.findByName("fancy"))).toMatchObject({ kind: "pointer" });
    expect(btf.sizeOf(btf.findByName("fancy"))).toBe(8);
    expect(btf.sizeOf(btf.findByName("number"))).toBe(4);
    expect(btf.sizeOf(btf.findByName("large"))).toBe(8);
    expect(() => btf.sizeOf(btf.findByName("forward"))).toThrow(ObjectError);
    expect(() => btf.sizeOf(0)).toThrow(ObjectError);
    expect(() => btf.type(btf.typeCount)).toThrow(ObjectError);
    expect(() => btf.type(-1)).toThrow(ObjectError);
    expect(() => btf.type(1.5)).toThrow(ObjectError);
  });
});

const VMLINUX = "/sys/kernel/btf/vmlinux";

test.skipIf(!existsSync(VMLINUX))(
  "this machine's kernel: every type, and names found fast",
  () => {
    const bytes = new Uint8Array(readFileSync(VMLINUX));
    const start = performance.now();
    const btf = Btf.parse(bytes);
    const parsed = performance.now();
    const id = btf.findByName("task_struct", "struct");
    for (let i = 0; i < 10; i++) btf.findByName("no_such_type_in_any_kernel");
    const found = performance.now();
    console.log(
      `vmlinux: ${btf.typeCount} types, parse ${parsed - start} ms, a name not there ${(found - parsed) / 11} ms`,
    );
    expect(btf.type(id)).toMatchObject({ kind: "struct", name: "task_struct" });
    const expected = dump(VMLINUX);
    expect(btf.typeCount).toBe(expected.length + 1);
    const different = expected.filter((raw) => !Bun.deepEquals(asBpftool(raw.id, btf.type(raw.id)), raw));
    expect(different.slice(0, 3)).toEqual([]);
  },
  60_000,
);
