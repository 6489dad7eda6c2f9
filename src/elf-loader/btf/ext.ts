/**
 * .BTF.ext: func_info, line_info and CO-RE relocations, each a list of sections with records whose first word is a byte
 * offset into that section. Format: Documentation/bpf/btf.rst, "The .BTF.ext section".
 */
import { Reader, swapWords } from "../bytes/reader.ts";
import { bpf_core_relo, bpf_func_info, bpf_line_info } from "../uapi/bpf-layouts.ts";
import { BTF_MAGIC, BTF_VERSION } from "../uapi/btf.ts";
import type { Btf } from "./btf.ts";

/** The records of one section, as little-endian words; the first word of each is a byte offset in the section. */
export interface ExtRecords {
  /** Bytes of one record. */
  readonly recordSize: number;
  readonly words: Int32Array;
}

/** By the name of the section they are about. */
export type ExtTable = ReadonlyMap<string, ExtRecords>;

export interface BtfExt {
  readonly funcInfo: ExtTable;
  readonly lineInfo: ExtTable;
  readonly coreRelocations: ExtTable;
}

/** struct btf_ext_header of libbpf's btf.h: magic, version, flags, hdr_len, then offset and length of each part. */
const HEADER_LENGTH_AT = 4;
const FUNC_INFO_AT = 8;
const LINE_INFO_AT = 16;
const CORE_RELO_AT = 24;
const HEADER_SIZE = 24;

/** struct btf_ext_info_sec: sec_name_off, num_info. */
const SECTION_HEADER = 8;

/** @throws ObjectError */
export function parseBtfExt(bytes: Uint8Array, btf: Btf): BtfExt {
  const blob = new Reader(bytes, ".BTF.ext", btf.byteOrder === "little");
  if (blob.u16(0, "magic") !== BTF_MAGIC) throw blob.error("Cannot parse .BTF.ext header: no BTF magic", 0);
  const version = blob.u8(2, "version");
  if (version !== BTF_VERSION) throw blob.error(`Cannot parse .BTF.ext header: unknown version ${version}`, 2);
  const header = blob.u32(HEADER_LENGTH_AT, "hdr_len");
  if (header < HEADER_SIZE) throw blob.error(`Cannot parse .BTF.ext header: ${header} bytes`, HEADER_LENGTH_AT);
  const part = (at: number, what: string, least: number): ExtTable =>
    header < at + 8 ? new Map() : readPart(blob, btf, header + blob.u32(at, what), blob.u32(at + 4, what), what, least);
  return {
    funcInfo: part(FUNC_INFO_AT, "func_info", bpf_func_info.size),
    lineInfo: part(LINE_INFO_AT, "line_info", bpf_line_info.size),
    coreRelocations: part(CORE_RELO_AT, "core_relo", bpf_core_relo.size),
  };
}

function readPart(blob: Reader, btf: Btf, start: number, length: number, what: string, least: number): ExtTable {
  const table = new Map<string, ExtRecords>();
  if (length === 0) return table;
  blob.need(start, length, what);
  const recordSize = blob.u32(start, `record size of ${what}`);
  if (recordSize < least || recordSize % 4 !== 0) {
    throw blob.error(`Cannot parse ${what}: records of ${recordSize} bytes`, start);
  }
  for (let at = start + 4; at < start + length; ) {
    const name = btf.stringAt(blob.u32(at, `section name of ${what}`));
    const count = blob.u32(at + 4, `record count of ${what}`);
    const size = count * recordSize;
    if (count === 0 || at + SECTION_HEADER + size > start + length) {
      throw blob.error(`Cannot parse ${what} of section ${name}: ${count} records`, at + 4);
    }
    // A section twice would be records out of order; the first one counts in libbpf too, as it looks the name up.
    if (!table.has(name)) table.set(name, { recordSize, words: toWords(blob, at + SECTION_HEADER, size, what) });
    at += SECTION_HEADER + size;
  }
  return table;
}

function toWords(blob: Reader, at: number, size: number, what: string): Int32Array {
  const copy = blob.slice(at, size, what).slice();
  return new Int32Array((blob.littleEndian ? copy : swapWords(copy)).buffer);
}

/** Index of the first record at or behind a byte offset; the records are in order. */
export function firstRecord({ words, recordSize }: ExtRecords, offset: number): number {
  const step = recordSize / 4;
  let low = 0;
  let high = words.length / step;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((words[middle * step] as number) < offset) low = middle + 1;
    else high = middle;
  }
  return low;
}
