// Executables: their functions as readelf lists them, and static markers' arguments as records that programs read.

import { expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  Executable,
  functionOffsets,
  ObjectError,
  UnknownArgument,
  type UsdtMarker,
  usdtMarkers,
  usdtSpec,
} from "elf-loader";
import { EM_AARCH64, EM_X86_64, pt_regs } from "elf-loader/uapi";
import fc from "fast-check";
import { scratch } from "./compile.ts";

const LIBC = "/lib/x86_64-linux-gnu/libc.so.6";
const libc = Executable.parse(new Uint8Array(readFileSync(LIBC)), "libc");

test("functions are where readelf says, version by version", () => {
  const lines = execFileSync("readelf", ["-W", "--dyn-syms", "-l", LIBC], {
    encoding: "utf8",
    maxBuffer: 1 << 26,
  }).split("\n");
  // LOAD 0x026000 0x0000000000026000 0x0000000000026000 0x155d15 0x155d15 R E 0x1000
  const [, offset = "", address = ""] =
    lines.map((line) => /^ +LOAD +(\S+) (\S+) .* R E /.exec(line)).find(Boolean) ?? [];
  const moved = Number(offset) - Number(address);
  const wanted = new Set<string>();
  for (const line of lines) {
    const [, value, index, name] = /^ +\d+: (\w+) +\w+ FUNC +\w+ +\w+ +(\w+) (\S+)/.exec(line) ?? [];
    if (name && index !== "UND") wanted.add(`${name} ${Number.parseInt(value ?? "", 16) + moved}`);
  }
  const found = [...libc.functions()].map(
    (one) => `${one.name}${one.version ? `${one.isDefault ? "@@" : "@"}${one.version}` : ""} ${one.offset}`,
  );
  expect(wanted.size).toBeGreaterThan(1500);
  expect(new Set(found)).toEqual(wanted);
});

test("a name without a version means the default one, and a version its own", () => {
  const [current, old] = ["timer_create@GLIBC_2.34", "timer_create@GLIBC_2.2.5"].map((name) =>
    functionOffsets(libc, name),
  );
  expect(current).not.toEqual(old);
  expect(functionOffsets(libc, "timer_create")).toEqual(current as number[]);
  expect(functionOffsets(libc, "timer_create@GLIBC_9")).toEqual([]);
  expect(functionOffsets(libc, "no_such_function")).toEqual([]);
});

test("what is no executable, or is cut off, is an ObjectError", () => {
  const bytes = new Uint8Array(readFileSync(LIBC));
  expect(() => Executable.parse(new Uint8Array(10), "x")).toThrow(ObjectError);
  for (const length of [64, 1000, bytes.length >> 1]) {
    expect(() => [...Executable.parse(bytes.subarray(0, length), "x").functions()]).toThrow(ObjectError);
  }
});

test("damaged executables give an ObjectError and nothing else, soon", () => {
  const path = scratch("markers.so");
  const source = join(import.meta.dir, "../fixtures/markers.so.c");
  execFileSync("clang-19", ["-shared", "-fPIC", "-nostdlib", "-O1", source, "-o", path]);
  const whole = new Uint8Array(readFileSync(path));
  const read = (bytes: Uint8Array) => {
    const executable = Executable.parse(bytes, "damaged");
    return [...executable.functions()].length + [...usdtMarkers(executable)].length;
  };
  expect(read(whole)).toBe(9); // each of three functions in both tables, three markers
  const damage = fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 });
  const property = fc.property(damage, fc.option(fc.nat(whole.length)), (changes, length) => {
    const bytes = whole.slice();
    // The headers, at both ends, decide most.
    for (const [at, value] of changes) bytes[at % 3 === 0 ? at % 64 : at] = value;
    const start = performance.now();
    try {
      read(bytes.subarray(0, length ?? bytes.length));
    } catch (error) {
      expect(error).toBeInstanceOf(ObjectError);
    }
    expect(performance.now() - start).toBeLessThan(1000);
  });
  fc.assert(property, { numRuns: 3000 });
});

const marker = (written: string): UsdtMarker => ({
  ...{ provider: "p", name: "n", arguments: written, offset: 0, address: 0, semaphore: 0 },
});
const offsetOf = (register: string): number => pt_regs.fields[register]?.[0] ?? -1;

/** Value, kind, index and scale, register, signed, bits to clear. */
function argumentOf(written: string, machine = EM_X86_64): (number | bigint)[] {
  const view = new DataView(usdtSpec(marker(written), machine, 0n).buffer);
  const index = view.getUint16(9, true);
  return [
    ...[view.getBigInt64(0, true), view.getUint8(8), index & 0xfff, index >> 12],
    ...[view.getInt16(12, true), view.getUint8(14), view.getUint8(15)],
  ];
}

test("markers are those that readelf lists", () => {
  const path = "/usr/lib/x86_64-linux-gnu/libstdc++.so.6";
  const said = execFileSync("readelf", ["-W", "-n", path], { encoding: "utf8" });
  const pattern = /Provider: (\S+)\s+Name: (\S+)\s+Location: (\S+), Base: \S+, Semaphore: \S+\s+Arguments: (.*)/g;
  const wanted = [...said.matchAll(pattern)].map(([, provider = "", name = "", at, written = ""]) => {
    return [provider, name, Number(at), written];
  });
  expect(wanted.length).toBeGreaterThan(2);
  const markers = usdtMarkers(Executable.parse(new Uint8Array(readFileSync(path)), path));
  expect([...markers].map((one) => [one.provider, one.name, one.address, one.arguments])).toEqual(wanted);
});

test("names of markers are bytes, in whatever encoding", () => {
  const path = scratch("note.o");
  const note = `.section .note.stapsdt, "", "note"
    .balign 4; .4byte 8, 2f-1f, 3; .asciz "stapsdt"
    1: .8byte 0x10, 0, 0; .asciz "caf\\351"; .asciz "na\\377me"; .asciz "8@%rax"; 2: .balign 4`;
  execFileSync("clang-19", ["--target=x86_64", "-c", "-x", "assembler", "-", "-o", path], { input: note });
  const markers = [...usdtMarkers(Executable.parse(new Uint8Array(readFileSync(path)), path))];
  expect(markers).toMatchObject([{ provider: "caf\udce9", name: "na\udcffme", arguments: "8@%rax" }]);
});

test("arguments of x86-64 in registers, memory, indexed and constant", () => {
  expect(argumentOf("-4@%edi")).toEqual([0n, 1, 0, 0, offsetOf("rdi"), 1, 32]);
  expect(argumentOf("1@%r10b")).toEqual([0n, 1, 0, 0, offsetOf("r10"), 0, 56]);
  expect(argumentOf("8@-1204(%rbp)")).toEqual([-1204n, 2, 0, 0, offsetOf("rbp"), 0, 0]);
  expect(argumentOf("2@(%rsp)")).toEqual([0n, 2, 0, 0, offsetOf("rsp"), 0, 48]);
  expect(argumentOf("-8@16(%rax,%rdx,8)")).toEqual([16n, 3, offsetOf("rdx"), 3, offsetOf("rax"), 1, 0]);
  expect(argumentOf("-4@$-9")).toEqual([-9n, 0, 0, 0, 0, 1, 32]);
  // libbpf's patterns, scanf's, take spaces everywhere but within a word.
  for (const spaced of [" -8 @ 16 ( %rax , %rdx , 8 ) ", "-8@16(%rax, %rdx, 8)"])
    expect(argumentOf(spaced)).toEqual(argumentOf("-8@16(%rax,%rdx,8)"));
});

test("arguments of arm64", () => {
  expect(argumentOf("8@x19", EM_AARCH64)).toEqual([0n, 1, 0, 0, 19 * 8, 0, 0]);
  expect(argumentOf("-4@[sp, 60]", EM_AARCH64)).toEqual([60n, 2, 0, 0, 31 * 8, 1, 32]);
  expect(argumentOf("-4 @ [ sp,60 ]", EM_AARCH64)).toEqual(argumentOf("-4@[sp, 60]", EM_AARCH64));
  expect(argumentOf("4@-7", EM_AARCH64)).toEqual([-7n, 0, 0, 0, 0, 0, 32]);
});

test("how many there are, the cookie, and what is not known", () => {
  const view = new DataView(usdtSpec(marker("8@%rax -4@-16(%rbp) 4@$5"), EM_X86_64, -1n).buffer);
  expect([view.getBigUint64(192, true), view.getInt16(200, true)]).toEqual([2n ** 64n - 1n, 3]);
  const spaces = " ".repeat(200_000);
  expect(argumentOf(`${spaces}8@%rax${spaces}`)).toEqual(argumentOf("8@%rax"));
  for (const unknown of [
    `8@%rax${spaces}x`,
    "8@%rax garbage",
    "%rax",
    "8@",
    "8f@%xmm0",
    "3@%rax",
    "8@%foo",
    "8@counter(%rip)",
    Array(13).fill("8@%rax").join(" "),
  ])
    expect(() => usdtSpec(marker(unknown), EM_X86_64, 0n)).toThrow(UnknownArgument);
});
