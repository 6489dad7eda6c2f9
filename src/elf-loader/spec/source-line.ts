/** The source line of an instruction, from line_info of .BTF.ext: struct bpf_line_info in linux/bpf.h. */
import { INSN_SIZE } from "../asm/instructions.ts";
import { firstRecord } from "../btf/ext.ts";
import { ObjectError, shortened } from "../errors.ts";
import { bpf_line_info } from "../uapi/bpf-layouts.ts";
import type { ObjectSpec } from "./object-spec.ts";
import type { SourceLine } from "./types.ts";

const [FILE, TEXT, LINE_COLUMN] = ["file_name_off", "line_off", "line_col"].map(
  (field) => (bpf_line_info.fields[field]?.[0] ?? 0) / 4,
) as [number, number, number];

/**
 * Of the instruction or the last one before it that has a line; undefined where the object does not say, or says it wrong:
 * what it stands beside is said all the same.
 */
export function sourceLine({ btf, image }: ObjectSpec, section: string, insn: number): SourceLine | undefined {
  const records = image.btfExt?.lineInfo.get(section);
  if (!btf || !records) return undefined;
  const step = records.recordSize / 4;
  const at = (firstRecord(records, insn * INSN_SIZE + 1) - 1) * step;
  const [file, text, lineColumn] = [FILE, TEXT, LINE_COLUMN].map((field) => records.words[at + field]);
  if (file === undefined || text === undefined || lineColumn === undefined) return undefined;
  try {
    const name = btf.stringAt(file).replace(/^.*\//s, "");
    return { where: `${name}:${lineColumn >>> 10}`, text: shortened(btf.stringAt(text).trim(), MOST_TEXT) };
  } catch (error) {
    if (error instanceof ObjectError) return undefined;
    throw error;
  }
}

/** Lines of generated code have any length; what stands in a message has to leave room for the message. */
const MOST_TEXT = 160;
