// ELF as llvm-readelf reads it.
import { expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { ObjectError, parseObject } from "elf-loader";
import { compileFixture, fixture, json, scratch } from "./compile.ts";

interface Code {
  Name: string;
  Value: number;
}
interface ElfJson {
  Sections: {
    Section: { Name: Code; Type: Code; Flags: { Value: number }; Size: number; Link: number; Info: number };
  }[];
  Symbols: { Symbol: { Name: Code; Value: number; Size: number; Binding: Code; Type: Code; Section: Code } }[];
  Relocations: { SectionIndex: number; Relocs: { Relocation: { Offset: number; Type: Code; Symbol: Code } }[] }[];
}

for (const target of ["bpf", "bpfeb"] as const) {
  for (const name of ["calls", "globals", "constructs"]) {
    const [elf] = json<ElfJson[]>(
      ...([
        "llvm-readelf-19",
        "--elf-output-style=JSON",
        "-S",
        "--symbols",
        "-r",
        compileFixture(name, { target }),
      ] as const),
    );
    const ours = parseObject(fixture(name, { target })).image.elf;

    test(`sections of ${name}, ${target}`, () => {
      const expected = elf!.Sections.map(({ Section: s }) => [
        s.Name.Name,
        s.Type.Value,
        s.Flags.Value,
        s.Size,
        s.Link,
        s.Info,
      ]);
      expect(ours.sections.map((s) => [s.name, s.type, s.flags, s.size, s.link, s.info])).toEqual(expected);
    });

    test(`symbols of ${name}, ${target}`, () => {
      const expected = elf!.Symbols.map(({ Symbol: s }) => [
        s.Value,
        s.Size,
        s.Binding.Value,
        s.Type.Value,
        s.Section.Value,
      ]);
      expect(ours.symbols.map((s) => [s.value, s.size, s.binding, s.type, s.section])).toEqual(expected);
      // readelf gives section symbols the section's name.
      const named = ours.symbols.filter((s) => s.name !== "");
      expect(named.map((s) => s.name)).toEqual(named.map((s) => elf!.Symbols[s.index]!.Symbol.Name.Name));
    });

    test(`relocations of ${name}, ${target}`, () => {
      for (const { SectionIndex, Relocs } of elf!.Relocations) {
        const section = ours.sections[SectionIndex]!.info;
        const found = ours.relocations.get(section)!.map((r) => [r.offset, r.type]);
        const expected = Relocs.map(({ Relocation: r }) => [r.Offset, r.Type.Value]);
        expect(found).toEqual(expected.sort((a, b) => a[0]! - b[0]!));
      }
    });
  }
}

test("each bad header says what is wrong with it", () => {
  const cases: [number, number, RegExp][] = [
    [0, 0, /no ELF magic/],
    [4, 1, /class 1 is not 64-bit/],
    [5, 3, /unknown byte order 3/],
    [6, 2, /unknown version 2/],
    [16, 2, /type 2 is not relocatable/],
    [18, 62, /machine 62 is not BPF/],
    [42, 0xff, /section table at 0x.* lies beyond the end/],
    [58, 63, /section headers of 63 bytes/],
    [62, 2, /no string table at section 2/],
  ];
  for (const [offset, value, message] of cases) {
    const bytes = fixture("calls");
    bytes[offset] = value;
    expect(() => parseObject(bytes)).toThrow(message);
    expect(() => parseObject(bytes)).toThrow(ObjectError);
  }
});

test("an object of no machine is taken, as libbpf does", () => {
  const bytes = fixture("calls");
  bytes[18] = 0;
  expect(parseObject(bytes).programs.size).toBe(5);
});

test("an object without a symbol table is refused, one without debug information is not", () => {
  const bytes = (strip: string) => {
    const path = scratch(`calls${strip}.o`);
    execFileSync("llvm-strip-19", [strip, "-o", path, compileFixture("calls")]);
    return new Uint8Array(readFileSync(path));
  };
  expect(() => parseObject(bytes("-s"))).toThrow(ObjectError);
  expect(() => parseObject(bytes("-s"))).toThrow(/no symbol table/);
  expect(parseObject(bytes("-g")).programs.size).toBe(5);
});

test("names in errors are shown, never sent to the terminal", () => {
  const bytes = fixture("calls");
  const at = Buffer.from(bytes).lastIndexOf("main_alone\0");
  bytes.set([0x1b, 0x0a, 0xff], at);
  const { programs, ...spec } = parseObject(bytes);
  expect([...programs.keys()]).toContain("\u001b\n\udcffn_alone");
  const error = new ObjectError(`Cannot use ${[...programs.keys()][3]}`, "socket", 8);
  expect(error.message).toBe("Cannot use \\x1b\\x0a\\xffn_alone");
  expect(error.subject).toBe("socket+0x8");
  expect(spec.license).toBe("GPL");
});
