/**
 * The record of each BTF kind: how many 32-bit words follow its btf_type, what its name is in C, and how it is read.
 * Format: Documentation/bpf/btf.rst; every field of every record is a 32-bit word, which makes one view enough.
 */
import {
  BTF_INT_BOOL,
  BTF_INT_CHAR,
  BTF_INT_SIGNED,
  BTF_KIND_ARRAY,
  BTF_KIND_CONST,
  BTF_KIND_DATASEC,
  BTF_KIND_DECL_TAG,
  BTF_KIND_ENUM,
  BTF_KIND_ENUM64,
  BTF_KIND_FLOAT,
  BTF_KIND_FUNC,
  BTF_KIND_FUNC_PROTO,
  BTF_KIND_FWD,
  BTF_KIND_INT,
  BTF_KIND_PTR,
  BTF_KIND_RESTRICT,
  BTF_KIND_STRUCT,
  BTF_KIND_TYPE_TAG,
  BTF_KIND_TYPEDEF,
  BTF_KIND_UNION,
  BTF_KIND_VAR,
  BTF_KIND_VOLATILE,
} from "../uapi/btf.ts";
import type { BtfKind, BtfType } from "./types.ts";

/** One record: the words of the type section and where in them it begins. */
export interface RecordView {
  readonly words: Int32Array;
  /** Index of the first word of struct btf_type. */
  readonly at: number;
  /** The vlen of btf_type.info. */
  readonly count: number;
  /** The kind_flag of btf_type.info. */
  readonly flag: boolean;
  /** The third word of btf_type: a size or a type. */
  readonly sizeOrType: number;
  readonly name: string;
  /** A name by its offset in the string section. */
  string(offset: number): string;
}

interface RecordFormat {
  readonly kind: BtfKind;
  /** Words behind struct btf_type, and words more for each of its vlen entries. */
  readonly fixed: number;
  readonly each: number;
  /** Whether the third word is a type. */
  readonly refers: boolean;
  read(record: RecordView): BtfType;
}

/** Words of struct btf_type. */
export const TYPE_WORDS = 3;

const word = (r: RecordView, index: number): number => r.words[r.at + TYPE_WORDS + index] as number;
const entries = <T>(r: RecordView, each: number, read: (first: number) => T): T[] =>
  Array.from({ length: r.count }, (_, i) => read(i * each));

const plain = { fixed: 0, each: 0, refers: false };
const reference = { fixed: 0, each: 0, refers: true };

const referenceKind = (kind: "pointer" | "const" | "volatile" | "restrict"): RecordFormat => ({
  kind,
  ...reference,
  read: (r) => ({ kind, type: r.sizeOrType }),
});

const namedReferenceKind = (kind: "typedef" | "type_tag"): RecordFormat => ({
  kind,
  ...reference,
  read: (r) => ({ kind, name: r.name, type: r.sizeOrType }),
});

const compositeKind = (kind: "struct" | "union"): RecordFormat => ({
  kind,
  ...plain,
  each: 3,
  read: (r) => ({ kind, name: r.name, size: r.sizeOrType >>> 0, members: entries(r, 3, (at) => readMember(r, at)) }),
});

/** With kind_flag the third word of a member is BITFIELD_SIZE << 24 | BIT_OFFSET. */
function readMember(r: RecordView, at: number) {
  const offset = word(r, at + 2);
  const bitOffset = r.flag ? offset & 0xff_ffff : offset >>> 0;
  return { name: r.string(word(r, at)), type: word(r, at + 1), bitOffset, bitSize: r.flag ? offset >>> 24 : 0 };
}

/** INT's word: encoding << 24 | offset << 16 | bits. */
function readInt(r: RecordView): BtfType {
  const data = word(r, 0);
  const encoding = (data >>> 24) & 0xf;
  return {
    kind: "int",
    name: r.name,
    size: r.sizeOrType >>> 0,
    signed: (encoding & BTF_INT_SIGNED) !== 0,
    // clang marks no type BTF_INT_CHAR, so the name decides too, as in libbpf's btf_dump.c
    char: (encoding & BTF_INT_CHAR) !== 0 || r.name === "char",
    bool: (encoding & BTF_INT_BOOL) !== 0,
    bitOffset: (data >>> 16) & 0xff,
    bits: data & 0xff,
  };
}

/** Before kernel 6.0 no flag said that values are signed: negative ones of such BTF read as large ones, in libbpf too. */
function readEnum(r: RecordView): BtfType {
  const values = entries(r, 2, (at) => ({
    name: r.string(word(r, at)),
    value: r.flag ? word(r, at + 1) : word(r, at + 1) >>> 0,
  }));
  return { kind: "enum", name: r.name, size: r.sizeOrType >>> 0, signed: r.flag, values };
}

function readEnum64(r: RecordView): BtfType {
  const values = entries(r, 3, (at) => {
    const value = (BigInt(word(r, at + 2)) << 32n) | BigInt(word(r, at + 1) >>> 0);
    return { name: r.string(word(r, at)), value: r.flag ? value : BigInt.asUintN(64, value) };
  });
  return { kind: "enum64", name: r.name, size: r.sizeOrType >>> 0, signed: r.flag, values };
}

/** By BTF_KIND_*. */
export const RECORD_FORMATS: { readonly [kind: number]: RecordFormat } = {
  [BTF_KIND_INT]: { kind: "int", ...plain, fixed: 1, read: readInt },
  [BTF_KIND_PTR]: referenceKind("pointer"),
  [BTF_KIND_ARRAY]: {
    kind: "array",
    ...plain,
    fixed: 3,
    read: (r) => ({ kind: "array", type: word(r, 0), indexType: word(r, 1), length: word(r, 2) >>> 0 }),
  },
  [BTF_KIND_STRUCT]: compositeKind("struct"),
  [BTF_KIND_UNION]: compositeKind("union"),
  [BTF_KIND_ENUM]: { kind: "enum", ...plain, each: 2, read: readEnum },
  [BTF_KIND_FWD]: { kind: "fwd", ...plain, read: (r) => ({ kind: "fwd", name: r.name, union: r.flag }) },
  [BTF_KIND_TYPEDEF]: namedReferenceKind("typedef"),
  [BTF_KIND_VOLATILE]: referenceKind("volatile"),
  [BTF_KIND_CONST]: referenceKind("const"),
  [BTF_KIND_RESTRICT]: referenceKind("restrict"),
  [BTF_KIND_FUNC]: {
    kind: "func",
    // The linkage stands where other kinds count their entries.
    ...reference,
    read: (r) => ({ kind: "func", name: r.name, type: r.sizeOrType, linkage: r.count }),
  },
  [BTF_KIND_FUNC_PROTO]: {
    kind: "func_proto",
    ...reference,
    each: 2,
    read: (r) => ({
      kind: "func_proto",
      returnType: r.sizeOrType,
      params: entries(r, 2, (at) => ({ name: r.string(word(r, at)), type: word(r, at + 1) })),
    }),
  },
  [BTF_KIND_VAR]: {
    kind: "var",
    ...reference,
    fixed: 1,
    read: (r) => ({ kind: "var", name: r.name, type: r.sizeOrType, linkage: word(r, 0) }),
  },
  [BTF_KIND_DATASEC]: {
    kind: "datasec",
    ...plain,
    each: 3,
    read: (r) => ({
      kind: "datasec",
      name: r.name,
      size: r.sizeOrType >>> 0,
      vars: entries(r, 3, (at) => ({ type: word(r, at), offset: word(r, at + 1) >>> 0, size: word(r, at + 2) >>> 0 })),
    }),
  },
  [BTF_KIND_FLOAT]: {
    kind: "float",
    ...plain,
    read: (r) => ({ kind: "float", name: r.name, size: r.sizeOrType >>> 0 }),
  },
  [BTF_KIND_DECL_TAG]: {
    kind: "decl_tag",
    ...reference,
    fixed: 1,
    read: (r) => ({ kind: "decl_tag", name: r.name, type: r.sizeOrType, component: word(r, 0) }),
  },
  [BTF_KIND_TYPE_TAG]: namedReferenceKind("type_tag"),
  [BTF_KIND_ENUM64]: { kind: "enum64", ...plain, each: 3, read: readEnum64 },
};
