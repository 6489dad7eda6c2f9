/**
 * One section of any ELF64 file of either byte order, an executable of a gigabyte too: only its headers, their names and
 * that section are read. Format: System V ABI, "Object Files".
 */
import { Reader, StringTable } from "../bytes/reader.ts";
import { elf64_hdr, elf64_shdr, SHT_NOBITS, SHT_NULL } from "../uapi/elf.ts";
import type { Layout } from "../uapi/layout.ts";
import { checkIdent } from "./elf-file.ts";

/** The bytes of a file from an offset on, fewer than asked for where it ends. */
export type ReadAt = (offset: number, length: number) => Uint8Array;

/** undefined where it has no section of that name with bytes in the file. @throws ObjectError where it is no ELF64 file */
export function findSection(read: ReadAt, wanted: string): Uint8Array | undefined {
  const ident = read(0, elf64_hdr.size);
  const file = new Reader(ident, "ELF header", checkIdent(ident));
  const header = (name: string) => field(file, elf64_hdr, 0, name);
  const [count, each] = [header("e_shnum"), header("e_shentsize")];
  if (each !== elf64_shdr.size) throw file.error(`Cannot parse ELF header: section headers of ${each} bytes`, 0);
  const table = whole(read, header("e_shoff"), count * each, file, "the section table");
  const sections = new Reader(table, "section headers", file.littleEndian);
  const of = (index: number, name: string) => field(sections, elf64_shdr, index * each, name);
  const bytes = (index: number, what: string) => whole(read, of(index, "sh_offset"), of(index, "sh_size"), file, what);
  if (count === 0) return undefined;
  const strings = bytes(header("e_shstrndx"), "the section names");
  const names = new StringTable(new Reader(strings, "section names", file.littleEndian));
  for (let index = 0; index < count; index++) {
    const type = of(index, "sh_type");
    if (type === SHT_NULL || type === SHT_NOBITS) continue;
    if (names.get(of(index, "sh_name"), "a section's name") === wanted) return bytes(index, `section ${wanted}`);
  }
  return undefined;
}

function field(reader: Reader, layout: Layout, at: number, name: string): number {
  const [offset, size] = layout.fields[name] as readonly [number, number];
  const what = `${layout.name}.${name}`;
  if (size === 8) return reader.u64(at + offset, what);
  return size === 4 ? reader.u32(at + offset, what) : reader.u16(at + offset, what);
}

function whole(read: ReadAt, offset: number, length: number, file: Reader, what: string): Uint8Array {
  const bytes = read(offset, length);
  if (bytes.length === length) return bytes;
  throw file.error(`Cannot read ${what} at 0x${offset.toString(16)}: it lies beyond the end of the file`, 0);
}
