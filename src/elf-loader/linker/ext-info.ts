/**
 * func_info and line_info of a linked program: the records of each function's section cut to the function and moved to
 * where it was placed, in instructions instead of bytes. Source: adjust_prog_btf_ext_info in libbpf's libbpf.c.
 */
import { INSN_SIZE } from "../asm/instructions.ts";
import { type ExtRecords, type ExtTable, firstRecord } from "../btf/ext.ts";
import { swapWords } from "../bytes/reader.ts";
import { concat } from "../bytes/text.ts";
import type { BpfFunction } from "../spec/image.ts";
import type { ObjectSpec } from "../spec/object-spec.ts";
import type { ExtInfo } from "../spec/types.ts";

/** A function in the linked program. */
export interface PlacedFunction {
  readonly fn: BpfFunction;
  /** Index of its first instruction there. */
  readonly at: number;
}

/**
 * The kernel wants a func_info record for every function and a line_info record at the start of every function; where
 * one is missing the whole list is left out, as the program loads without it.
 */
export function linkExtInfo(
  spec: ObjectSpec,
  placed: readonly PlacedFunction[],
): { funcInfo?: ExtInfo | undefined; lineInfo?: ExtInfo | undefined } {
  const ext = spec.image.btfExt;
  const funcInfo = ext && collect(spec, ext.funcInfo, placed, true);
  return { funcInfo, lineInfo: ext && funcInfo && collect(spec, ext.lineInfo, placed, false) };
}

function collect(
  spec: ObjectSpec,
  table: ExtTable,
  placed: readonly PlacedFunction[],
  single: boolean,
): ExtInfo | undefined {
  const parts: Uint8Array[] = [];
  let recordSize = 0;
  for (const { fn, at } of placed) {
    const records = table.get(fn.section.name);
    const cut = records && cutRecords(records, fn, at, single);
    if (!records || !cut || (recordSize !== 0 && recordSize !== records.recordSize)) return undefined;
    recordSize = records.recordSize;
    parts.push(spec.byteOrder === "little" ? cut : swapWords(cut));
  }
  const bytes = concat(parts);
  return { bytes, recordSize, count: bytes.length / recordSize };
}

/** The records of one function, the first of them at its start; of func_info only that one. */
function cutRecords(records: ExtRecords, fn: BpfFunction, at: number, single: boolean): Uint8Array | undefined {
  const step = records.recordSize / 4;
  const first = firstRecord(records, fn.start * INSN_SIZE);
  if (records.words[first * step] !== fn.start * INSN_SIZE) return undefined;
  const count = records.words.length / step;
  let end = first + 1;
  while (!single && end < count && (records.words[end * step] as number) < (fn.start + fn.count) * INSN_SIZE) end++;
  const words = records.words.slice(first * step, end * step);
  for (let i = 0; i < words.length; i += step) words[i] = (words[i] as number) / INSN_SIZE - fn.start + at;
  return new Uint8Array(words.buffer);
}
