// BTF in files that are no objects: executables and modules, of which no more is read than is needed.
import { expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { type Btf, cHeader, ObjectError, parseBtf, parseObject } from "elf-loader";
import { BTF_KIND_STRUCT, BTF_KIND_TYPEDEF } from "elf-loader/uapi";
import { writeSections } from "../../src/elf-loader/btf/blob.ts";
import { typeInfo } from "../../src/elf-loader/btf/builder.ts";
import { fixture, scratch } from "./compile.ts";
import { inner, kernel, moduleBytes } from "./module-types.ts";

const raw = (parseObject(fixture("layouts")).btf as Btf).encode();

/** A shared library with more sections, as vmlinux and modules have them. */
function library(sections: { readonly [name: string]: Uint8Array }): Uint8Array {
  const path = scratch("library.so");
  const parts = Object.entries(sections).map(([name, bytes], i) => {
    writeFileSync(scratch(`section${i}`), bytes);
    return `--add-section=${name}=${scratch(`section${i}`)}`;
  });
  execFileSync("clang-19", ["-shared", "-nostdlib", "-xc", "/dev/null", "-o", path]);
  execFileSync("llvm-objcopy-19", [...parts, path]);
  return new Uint8Array(readFileSync(path));
}

const header = (btf: Btf) => [...cHeader(btf)].join("");

test("an executable's are those of its section .BTF, read alone", () => {
  const file = library({ ".BTF": raw });
  expect(parseBtf(file, "library").encode()).toEqual(raw);
  // The same behind a terabyte of debug information.
  const far = 2 ** 40;
  const table = Number(new DataView(file.buffer).getBigUint64(40, true)); // e_shoff
  const moved = file.slice();
  new DataView(moved.buffer).setBigUint64(40, BigInt(far + table), true);
  let asked = 0;
  const read = (offset: number, length: number) => {
    asked += length;
    return moved.subarray(offset % far, (offset % far) + length);
  };
  expect(parseBtf(read, "vmlinux").encode()).toEqual(raw);
  expect(asked).toBeLessThan(raw.length + 8192);
});

test("a module's continue the kernel's, or what it brings of them", () => {
  const file = library({ ".BTF": moduleBytes() });
  const module = parseBtf(file, "module", kernel);
  expect(module.base).toBe(kernel);
  expect(module.typeCount).toBe(kernel.typeCount + 3);
  const distilled = parseBtf(library({ ".BTF": moduleBytes(), ".BTF.base": kernel.encode() }), "module");
  expect(distilled.nameOf(kernel.typeCount)).toBe("not_there");
  expect(distilled.type(inner)).toEqual(kernel.type(inner));
  expect(() => parseBtf(file, "module")).toThrow("its names continue others");
});

test("a module's header has its own types, and of the kernel's what they need", () => {
  const text = header(parseBtf(moduleBytes(), "module", kernel));
  for (const part of [
    "struct inner {",
    "struct not_there {\n\tstruct inner inner;",
    "typedef struct inner second_alias;",
  ])
    expect(text).toContain(part);
  expect(text).not.toContain("struct shape");
  expect(header(kernel)).toContain("struct shape");
  execFileSync("clang-19", ["-target", "bpf", "-Wall", "-Werror", "-fsyntax-only", "-xc", "-"], { input: text });
});

test("what is cut off, has no such section or is none at all is an error of the file", () => {
  const file = library({ ".BTF": raw });
  for (let length = 0; length < file.length; length += 7)
    expect(() => parseBtf(file.subarray(0, length), "library")).toThrow(ObjectError);
  expect(() => parseBtf(library({}), "library")).toThrow("Cannot parse BTF of library: it has no section .BTF");
  expect(() => parseBtf(NAMES, "some.txt")).toThrow("Cannot parse BTF of some.txt: it is neither BTF nor an ELF file");
  const endless = file.slice();
  new DataView(endless.buffer).setBigUint64(40, 2n ** 63n, true);
  expect(() => parseBtf(endless, "library")).toThrow(ObjectError);
});

test("many small records are all found, and the first bad one is named", () => {
  const typedefs = (count: number) => Array.from({ length: count }, () => [1, typeInfo(BTF_KIND_TYPEDEF), 0]);
  for (const count of [1, 2, 3, 10, 1000]) {
    const blob = (...more: number[][]) =>
      writeSections({ words: Int32Array.from([...typedefs(count), ...more].flat()), strings: NAMES }, true);
    const btf = parseBtf(blob(), "small");
    expect(btf.typeCount).toBe(count + 1);
    expect(btf.type(count)).toEqual({ kind: "typedef", name: "a", type: 0 });
    expect(() => parseBtf(blob([1, 31 << 24, 0]), "small")).toThrow(`Cannot parse type ${count + 1}: unknown kind 31`);
    expect(() => parseBtf(blob([1, typeInfo(BTF_KIND_STRUCT, 1), 0]), "small")).toThrow(
      `Cannot parse type ${count + 1}: its struct record is cut off`,
    );
    expect(() => parseBtf(blob([1]), "small")).toThrow(`Cannot parse type ${count + 1}: cut off`);
  }
});

const NAMES = new TextEncoder().encode("\0a\0");
