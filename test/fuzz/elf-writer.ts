// Writes small ELF64 objects from parts, for inputs that no compiler makes.
import { concat } from "../../src/elf-loader/bytes/text.ts";

export interface Section {
  readonly name: string;
  /** SHT_*. */
  readonly type: number;
  readonly flags?: number;
  readonly data?: Uint8Array;
  /** Bytes, where not those of data. */
  readonly size?: number;
  /** Offset in the file, where not behind the section before. */
  readonly offset?: number;
  readonly link?: number;
  readonly info?: number;
  readonly entrySize?: number;
}

const encoder = new TextEncoder();

/** Little-endian words of 32 bits. */
export const words = (...values: readonly number[]): Uint8Array => new Uint8Array(Int32Array.from(values).buffer);

/** One symbol: name offset, info, section, value, size. */
export function symbol(name: number, info: number, section: number, value: number, size: number): Uint8Array {
  const bytes = new Uint8Array(24);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, name, true);
  view.setUint8(4, info);
  view.setUint16(6, section, true);
  view.setBigUint64(8, BigInt(value), true);
  view.setBigUint64(16, BigInt(size), true);
  return bytes;
}

const [SHT_SYMTAB, SHT_STRTAB] = [2, 3];

/** `link`: the index of the second. */
const noSymbols = (link: number): Section[] => [
  { name: ".symtab", type: SHT_SYMTAB, data: symbol(0, 0, 0, 0, 0), link, info: 1, entrySize: 24 },
  { name: ".strtab", type: SHT_STRTAB, data: new Uint8Array(1) },
];

/** An object of these sections, from index 1 on; then symbols, none, where it has no table of them, and its names. */
export function writeElf(given: readonly Section[]): Uint8Array {
  const hasSymbols = given.some(({ type }) => type === SHT_SYMTAB);
  const parts = hasSymbols ? given : [...given, ...noSymbols(given.length + 2)];
  const named = [...parts, { name: ".shstrtab", type: SHT_STRTAB }];
  const names = `\0${named.map(({ name }) => `${name}\0`).join("")}`;
  const sections: Section[] = [...parts, { name: ".shstrtab", type: SHT_STRTAB, data: encoder.encode(names) }];
  const header = new Uint8Array(64);
  header.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  const view = new DataView(header.buffer);
  const bodies = sections.map(({ data = new Uint8Array() }) => data);
  const table = 64 + bodies.reduce((sum, body) => sum + body.length, 0);
  const header16: [number, number][] = [
    [16, 1],
    [18, 247],
    [52, 64],
    [58, 64],
    [60, sections.length + 1],
  ];
  for (const [at, value] of [...header16, [62, sections.length] as const]) view.setUint16(at, value, true);
  view.setUint32(20, 1, true);
  view.setBigUint64(40, BigInt(table), true);
  let at = 64;
  const headers = sections.map((section, i) => {
    const bytes = sectionHeader(section, names.indexOf(`\0${section.name}\0`) + 1, at);
    at += (bodies[i] as Uint8Array).length;
    return bytes;
  });
  return concat([header, ...bodies, new Uint8Array(64), ...headers]);
}

function sectionHeader(section: Section, name: number, at: number): Uint8Array {
  const bytes = new Uint8Array(64);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, name, true);
  view.setUint32(4, section.type, true);
  view.setBigUint64(8, BigInt(section.flags ?? 0), true);
  view.setBigUint64(24, BigInt(section.offset ?? at), true);
  view.setBigUint64(32, BigInt(section.size ?? section.data?.length ?? 0), true);
  view.setUint32(40, section.link ?? 0, true);
  view.setUint32(44, section.info ?? 0, true);
  view.setBigUint64(56, BigInt(section.entrySize ?? 0), true);
  return bytes;
}

/** A BTF blob of type records and strings. */
export function writeBtf(types: Uint8Array, strings = "\0"): Uint8Array {
  const text = encoder.encode(strings);
  return concat([words(0x0001eb9f, 24, 0, types.length, types.length, text.length), types, text]);
}
