// Objects of at most 1 MiB that ask for much more than they hold. Run with a name, it puts that one through everything
// and prints by how many KiB the process grew at its peak, and what the processor spent in ms.
import { readFileSync, writeFileSync } from "node:fs";
import { concat } from "../../src/elf-loader/bytes/text.ts";
import { type Section, symbol, words, writeBtf, writeElf } from "./elf-writer.ts";
import { runAll } from "./pipeline.ts";

const MIB = 1 << 20;
const [PROGBITS, SYMTAB, STRTAB, NOBITS, REL] = [1, 2, 3, 8, 9];
const CODE = 6;
const many = (count: number, make: (i: number) => Uint8Array) =>
  concat(Array.from({ length: count }, (_, i) => make(i)));
const btf = (types: Uint8Array, strings?: string): Section => ({
  name: ".BTF",
  type: PROGBITS,
  data: writeBtf(types, strings),
});
const kind = (number: number, count = 0, flag = 0) => ((flag << 31) | (number << 24) | count) >>> 0;
const [PTR, ARRAY, STRUCT, UNION, ENUM, TYPEDEF, FUNC, FUNC_PROTO, VAR, DATASEC] = [2, 3, 4, 5, 6, 8, 12, 13, 14, 15];
const INT = words(1, kind(1), 4, 0x20);

/** Functions that each call the next, in one section. */
function chain(count: number): Uint8Array {
  const code = many(count, (i) => words(0x1085, i === count - 1 ? -1 - i : 1, 0x95, 0));
  const names = `\0${Array.from({ length: count }, (_, i) => `f${i}`).join("\0")}\0`;
  let at = 1;
  const symbols = many(count + 1, (i) => {
    if (i === 0) return symbol(0, 0, 0, 0, 0);
    const bytes = symbol(at, 0x12, 1, (i - 1) * 16, 16);
    at += `f${i - 1}\0`.length;
    return bytes;
  });
  return writeElf([
    { name: "socket", type: PROGBITS, flags: CODE, data: code },
    { name: ".symtab", type: SYMTAB, data: symbols, link: 3, info: 1, entrySize: 24 },
    { name: ".strtab", type: STRTAB, data: new TextEncoder().encode(names) },
  ]);
}

/** An object of these types alone. */
const ofTypes = (types: Uint8Array, strings?: string) => writeElf([btf(types, strings)]);

/** As many types as fit, the same record again and again. */
const repeated = (record: Uint8Array) =>
  ofTypes(concat([INT, many(Math.floor((MIB - 4096) / record.length), () => record)]));

/** One name for many: as long as none is counted (Btf.usualName), and, in letters of two bytes, a longer one. */
const [USUAL, LONGER] = [`\0${"n".repeat(24)}\0`, `\0${"\u00e9".repeat(100)}\0`];
const typedefs = () => many(80_000, (i) => words(1, kind(TYPEDEF), i + 1));
const enumerators = (count: number) => concat([words(1, kind(ENUM, count), 4), many(count, (i) => words(1, i))]);

/** Unions of two members of the type before: 2^levels values in four bytes. */
const doubling = (levels: number) =>
  concat([INT, many(levels, (i) => words(0, kind(UNION, 2), 4, 1, i + 1, 0, 1, i + 1, 0))]);

export const AMPLIFIERS: { readonly [name: string]: () => Uint8Array } = {
  "functions that call each other": () => chain(15_000),
  "symbols whose names overlap": () =>
    writeElf([
      { name: ".symtab", type: SYMTAB, data: many(20_000, (i) => symbol(i, 0x12, 0, 0, 0)), link: 2, entrySize: 24 },
      { name: ".strtab", type: STRTAB, data: concat([many(500_000, () => Uint8Array.of(0xff)), Uint8Array.of(0)]) },
    ]),
  "types of one name as long as half the file": () =>
    ofTypes(
      many(Math.floor(MIB / 2 / 12), (i) => words(1 + (i % 1000), kind(TYPEDEF), i + 1)),
      `\0${"n".repeat(MIB / 2)}\0`,
    ),
  "a long name that is used again and again": () =>
    ofTypes(
      concat([
        words(1, kind(STRUCT), 0),
        words(0, kind(PTR), 1),
        words(4002, kind(STRUCT, 65535), 65535 * 8),
        many(65535, (i) => words(4002, 2, i * 64)),
      ]),
      `\0${"n".repeat(4000)}\0m\0`,
    ),
  "a long name of many": () => ofTypes(typedefs(), `\0${"n".repeat(4000)}\0`),
  "types of one usual name": () => ofTypes(typedefs(), USUAL),
  "types of one longer name": () => ofTypes(typedefs(), LONGER),
  "values of one usual name": () => ofTypes(concat([enumerators(62_000), enumerators(62_000)]), USUAL),
  "values of one longer name": () => ofTypes(concat([enumerators(62_000), enumerators(62_000)]), LONGER),
  "functions of one usual name": () =>
    ofTypes(concat([words(0, kind(FUNC_PROTO), 0), many(70_000, () => words(1, kind(FUNC, 1), 1))]), USUAL),
  "sections of one usual name": () =>
    ofTypes(
      many(60_000, () => words(1, kind(DATASEC), 8)),
      USUAL,
    ),
  "sections of one longer name": () =>
    ofTypes(
      many(60_000, () => words(1, kind(DATASEC), 8)),
      LONGER,
    ),
  "a name of a file's length": () =>
    writeElf([{ name: "n".repeat(MIB - 4096), type: PROGBITS, flags: CODE, data: words(0xb7, 0, 0x95, 0) }]),
  "relocation sections of the same bytes": () =>
    writeElf(
      Array.from({ length: 8000 }, (_, i) => ({
        ...{ name: `r${i}`, type: REL, offset: 64, size: 400_000, info: i, entrySize: 16 },
        ...(i === 0 ? { data: new Uint8Array(400_000) } : {}),
      })),
    ),
  "as many sections as fit": () =>
    writeElf(
      Array.from({ length: 14_000 }, (_, i) => ({
        name: "x",
        type: PROGBITS,
        flags: CODE,
        data: new Uint8Array((i % 2) * 8),
      })),
    ),
  "zeros without end": () => writeElf([{ name: ".bss", type: NOBITS, size: 2 ** 40 }]),
  "zeros up to the limit": () => writeElf([{ name: ".bss", type: NOBITS, size: 32 * MIB }]),
  "data of half the file": () => writeElf([{ name: ".data", type: PROGBITS, data: new Uint8Array(MIB / 2) }]),
  pointers: () => repeated(words(0, kind(PTR), 1)),
  "empty structs": () => repeated(words(0, kind(STRUCT), 0)),
  "structs of one member": () => repeated(words(0, kind(STRUCT, 1), 4, 1, 1, 0)),
  "typedefs of themselves": () => ofTypes(typedefs(), "\0a\0"),
  "typedefs in a chain": () => ofTypes(concat([INT, typedefs()]), "\0a\0"),
  "a struct that holds itself": () => ofTypes(words(1, kind(STRUCT, 1), 4, 1, 1, 0), "\0a\0"),
  "unions that double": () => ofTypes(concat([doubling(60), words(1, kind(STRUCT, 1), 4, 1, 61, 0)]), "\0a\0"),
  "anonymous unions that double": () =>
    ofTypes(
      concat([
        INT,
        many(60, (i) => words(0, kind(UNION, 2), 4, 0, i + 1, 0, 0, i + 1, 0)),
        words(1, kind(STRUCT, 1), 4, 0, 61, 0),
      ]),
      "\0a\0",
    ),
  "arrays of arrays": () =>
    ofTypes(
      concat([INT, many(60, (i) => words(0, kind(ARRAY), 0, i + 1, 1, -1)), words(1, kind(STRUCT, 1), 4, 1, 61, 0)]),
      "\0a\0",
    ),
  "a long array of nothing": () =>
    ofTypes(
      concat([words(0, kind(STRUCT), 0), words(0, kind(ARRAY), 0, 1, 1, -1), words(1, kind(STRUCT, 1), 4, 1, 2, 0)]),
      "\0a\0",
    ),
  "a struct as wide as can be": () =>
    ofTypes(concat([INT, words(1, kind(STRUCT, 65535), 65535 * 4), many(65535, (i) => words(1, 1, i * 32))]), "\0a\0"),
  parameters: () => repeated(concat([words(0, kind(FUNC_PROTO, 1000), 1), many(1000, () => words(0, 1))])),
  "a global of 8 MiB in a small section": () =>
    writeElf([
      { name: ".data", type: PROGBITS, data: new Uint8Array(4) },
      btf(
        concat([
          INT,
          words(0, kind(ARRAY), 0, 1, 1, 1 << 21),
          words(1, kind(VAR), 2, 0),
          words(3, kind(DATASEC, 1), 4, 3, 0, 4),
        ]),
        "\0a\0.data\0",
      ),
    ]),
};

/** Highest resident memory of this process, KiB. */
const peak = () => Number(/VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))?.[1]);

const wanted = process.argv[2];
if (import.meta.main && wanted !== undefined) {
  const bytes = AMPLIFIERS[wanted]?.() as Uint8Array;
  if (bytes.length > MIB + 65536) throw new Error(`${wanted}: ${bytes.length} bytes`);
  runAll(writeElf([]), true);
  Bun.gc(true);
  // 5 forgets the peak so far: Documentation/filesystems/proc.rst.
  writeFileSync("/proc/self/clear_refs", "5");
  const before = peak();
  const start = process.cpuUsage();
  const outcome = runAll(bytes, true);
  const { user, system } = process.cpuUsage(start);
  console.log(JSON.stringify({ outcome, grown: peak() - before, took: (user + system) / 1000 }));
}
