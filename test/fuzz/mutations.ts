// Mutants of one object: where its fields are, by the ELF and BTF it holds, and what each is changed to.
import { bytesToString } from "elf-loader";
import { elf64_hdr, elf64_rel, elf64_shdr, elf64_sym, type Layout, SHT_REL, SHT_SYMTAB } from "elf-loader/uapi";

/** A field of the file: byte offset and size. */
export interface Field {
  readonly what: string;
  readonly offset: number;
  readonly size: number;
}

/** mulberry32: small, seeded, the same everywhere. */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  };
}

const record = (what: string, layout: Layout, base: number): Field[] =>
  Object.entries(layout.fields).map(([name, [offset, size]]) => ({
    what: `${what} ${name}`,
    offset: base + offset,
    size,
  }));

/** Every field of the headers, symbols and relocations, every word of .BTF and .BTF.ext and every immediate of the code. */
export function fieldsOf(bytes: Uint8Array): Field[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const table = Number(view.getBigUint64(elf64_hdr.fields.e_shoff?.[0] ?? 0, true));
  const count = view.getUint16(elf64_hdr.fields.e_shnum?.[0] ?? 0, true);
  const fields = [...record("ELF header", elf64_hdr, 0)].filter(({ size }) => size <= 8);
  for (let i = 0; i < 16; i++) fields.push({ what: "e_ident", offset: i, size: 1 });
  const names = sectionNames(view, table);
  for (let i = 0; i < count; i++) {
    const base = table + i * elf64_shdr.size;
    const name = names(base);
    // Debug information is not read: one section of it stands for all.
    if (name.includes(".debug_") && name !== ".debug_info") continue;
    fields.push(...record(`section ${name}`, elf64_shdr, base), ...contents(view, base, name));
  }
  return fields;
}

function sectionNames(view: DataView, table: number): (header: number) => string {
  const index = view.getUint16(elf64_hdr.fields.e_shstrndx?.[0] ?? 0, true);
  const strings = Number(view.getBigUint64(table + index * elf64_shdr.size + 24, true));
  return (header) => {
    const start = strings + view.getUint32(header, true);
    const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
    return bytesToString(bytes, start, bytes.indexOf(0, start));
  };
}

function contents(view: DataView, header: number, name: string): Field[] {
  const type = view.getUint32(header + 4, true);
  const offset = Number(view.getBigUint64(header + 24, true));
  const size = Number(view.getBigUint64(header + 32, true));
  const every = (step: number, make: (at: number) => Field[]) =>
    Array.from({ length: Math.floor(size / step) }, (_, i) => make(offset + i * step)).flat();
  if (type === SHT_SYMTAB) return every(elf64_sym.size, (at) => record("symbol", elf64_sym, at));
  if (type === SHT_REL && !/BTF|debug/.test(name))
    return every(elf64_rel.size, (at) => record(`relocation ${name}`, elf64_rel, at));
  if (name === ".BTF" || name === ".BTF.ext") return every(4, (at) => [{ what: name, offset: at, size: 4 }]);
  const code = /^(\.text|socket|xdp|[a-z_]*(probe|fentry|tracepoint|raw_)[^.]*)/.test(name) && !name.startsWith(".rel");
  return code ? every(8, (at) => [{ what: `code ${name}`, offset: at, size: 8 }]) : [];
}

type Change = (old: bigint, next: () => number) => bigint;

/** What a field becomes; the file's own sizes and the limits of each width are where mistakes are. */
export const CHANGES: readonly Change[] = [
  () => 0n,
  (old) => old + 1n,
  (old) => old - 1n,
  () => -1n,
  (old, next) => old ^ (1n << BigInt(next() % 64)),
  (_, next) => BigInt(next()),
  () => 0x7fffffffn,
  (_, next) => BigInt(next() % 256),
  (old) => old << 8n,
];

/** A copy with one field changed. */
export function changeField(bytes: Uint8Array, field: Field, change: Change, next: () => number): Uint8Array {
  const mutant = bytes.slice();
  const view = new DataView(mutant.buffer);
  let old = 0n;
  for (let i = 0; i < field.size; i++) old |= BigInt(view.getUint8(field.offset + i)) << BigInt(i * 8);
  const value = BigInt.asUintN(field.size * 8, change(old, next));
  for (let i = 0; i < field.size; i++) view.setUint8(field.offset + i, Number((value >> BigInt(i * 8)) & 0xffn));
  return mutant;
}

/** A copy with up to eight bytes anywhere changed. */
export function scatter(bytes: Uint8Array, next: () => number): Uint8Array {
  const mutant = bytes.slice();
  for (let i = 1 + (next() % 8); i > 0; i--) mutant[next() % mutant.length] = next();
  return mutant;
}
