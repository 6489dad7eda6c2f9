/**
 * The CO-RE relocations of an object, as data: which instruction depends on what of the kernel's types.
 * Format: struct bpf_core_relo and enum bpf_core_relo_kind in linux/bpf.h; the access string as clang writes it.
 */
import { INSN_SIZE } from "../asm/instructions.ts";
import { type Btf, describe } from "../btf/btf.ts";
import type { ExtRecords } from "../btf/ext.ts";
import { ObjectError } from "../errors.ts";
import {
  BPF_CORE_ENUMVAL_EXISTS,
  BPF_CORE_ENUMVAL_VALUE,
  BPF_CORE_FIELD_BYTE_OFFSET,
  BPF_CORE_FIELD_BYTE_SIZE,
  BPF_CORE_FIELD_EXISTS,
  BPF_CORE_FIELD_LSHIFT_U64,
  BPF_CORE_FIELD_RSHIFT_U64,
  BPF_CORE_FIELD_SIGNED,
  BPF_CORE_TYPE_EXISTS,
  BPF_CORE_TYPE_ID_LOCAL,
  BPF_CORE_TYPE_ID_TARGET,
  BPF_CORE_TYPE_MATCHES,
  BPF_CORE_TYPE_SIZE,
} from "../uapi/bpf.ts";
import { bpf_core_relo } from "../uapi/bpf-layouts.ts";

/** What a relocation asks about. */
export type CoreSubject = "field" | "type" | "enumerator";

interface KindRow {
  /** As in messages: "the offset of field". */
  readonly question: string;
  readonly subject: CoreSubject;
}

const row = (subject: CoreSubject, question: string): KindRow => ({ subject, question });

/** By BPF_CORE_*: all thirteen. */
export const CORE_KINDS: { readonly [kind: number]: KindRow } = {
  [BPF_CORE_FIELD_BYTE_OFFSET]: row("field", "offset"),
  [BPF_CORE_FIELD_BYTE_SIZE]: row("field", "size"),
  [BPF_CORE_FIELD_EXISTS]: row("field", "existence"),
  [BPF_CORE_FIELD_SIGNED]: row("field", "signedness"),
  [BPF_CORE_FIELD_LSHIFT_U64]: row("field", "left shift"),
  [BPF_CORE_FIELD_RSHIFT_U64]: row("field", "right shift"),
  [BPF_CORE_TYPE_ID_LOCAL]: row("type", "local id"),
  [BPF_CORE_TYPE_ID_TARGET]: row("type", "id"),
  [BPF_CORE_TYPE_EXISTS]: row("type", "existence"),
  [BPF_CORE_TYPE_MATCHES]: row("type", "match"),
  [BPF_CORE_TYPE_SIZE]: row("type", "size"),
  [BPF_CORE_ENUMVAL_EXISTS]: row("enumerator", "existence"),
  [BPF_CORE_ENUMVAL_VALUE]: row("enumerator", "value"),
};

export interface CoreRelocation {
  readonly section: string;
  /** Index of the instruction in its section. */
  readonly insn: number;
  /** The type it starts from, in the object's BTF. */
  readonly type: number;
  /** Which member, element or enumerator: indices with colons between, the first of an array that the whole is in. */
  readonly access: string;
  /** BPF_CORE_*. */
  readonly kind: number;
}

const [INSN_OFF, TYPE_ID, ACCESS, KIND] = ["insn_off", "type_id", "access_str_off", "kind"].map(
  (field) => (bpf_core_relo.fields[field]?.[0] ?? 0) / 4,
) as [number, number, number, number];

/** The relocations of one section, in order. @throws ObjectError when one is on no instruction */
export function readCoreRelocations(section: string, records: ExtRecords, btf: Btf): CoreRelocation[] {
  const { words } = records;
  const step = records.recordSize / 4;
  return Array.from({ length: words.length / step }, (_, i) => {
    const at = (field: number) => words[i * step + field] as number;
    const insn = at(INSN_OFF) / INSN_SIZE;
    if (!Number.isInteger(insn) || insn < 0) {
      throw new ObjectError(`Cannot use CO-RE relocation ${i}: it is on no instruction`, section, at(INSN_OFF) >>> 0);
    }
    return { section, insn, type: at(TYPE_ID), access: btf.stringAt(at(ACCESS)), kind: at(KIND) };
  });
}

/** A relocation as an error names it: `offset of field task_struct.pid`. */
export function describeRelocation(btf: Btf, { type, kind }: CoreRelocation, path: string): string {
  const { question = `kind ${kind}`, subject = "type" } = CORE_KINDS[kind] ?? {};
  const name = describe(btf.type(type));
  return subject === "type" ? `${question} of ${name}` : `${question} of ${subject} ${name}${path}`;
}
