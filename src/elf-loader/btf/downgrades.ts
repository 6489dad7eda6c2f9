/**
 * BTF for kernels that do not know all of it: what a kind came with, the least BTF that has it, and what stands in for it
 * in the same number of words, so that ids stay. Source: bpf_object__sanitize_btf in libbpf's libbpf.c and the probes in
 * its features.c.
 */
import {
  BTF_FUNC_GLOBAL,
  BTF_FUNC_STATIC,
  BTF_INT_SIGNED,
  BTF_KIND_CONST,
  BTF_KIND_DATASEC,
  BTF_KIND_DECL_TAG,
  BTF_KIND_ENUM,
  BTF_KIND_ENUM64,
  BTF_KIND_FLOAT,
  BTF_KIND_FUNC,
  BTF_KIND_FUNC_PROTO,
  BTF_KIND_INT,
  BTF_KIND_PTR,
  BTF_KIND_STRUCT,
  BTF_KIND_TYPE_TAG,
  BTF_KIND_TYPEDEF,
  BTF_KIND_UNION,
  BTF_VAR_STATIC,
} from "../uapi/btf.ts";
import { Btf } from "./btf.ts";
import { BtfBuilder, typeInfo } from "./builder.ts";
import { TYPE_WORDS } from "./records.ts";
import type { BtfDatasec, BtfEnum64, BtfFuncProto, BtfType } from "./types.ts";

/** One thing that a kernel may not know. */
export interface Downgrade {
  /** As a feature: `BTF kind FLOAT`. */
  readonly name: string;
  /** First kernel with it. */
  readonly since: string;
  /** Adds the least types that have it. */
  readonly sample: (builder: BtfBuilder) => void;
  /** Whether a type is refused without it. */
  readonly needs: (type: BtfType) => boolean;
  /** Puts another type in its place. */
  readonly replace: (edit: Edit, id: number, type: BtfType) => void;
}

/** Changes to a BTF, made together at the end. */
export class Edit {
  readonly btf: Btf;
  readonly builder: BtfBuilder;
  readonly #patches: [id: number, index: number, value: number][] = [];
  #placeholder = 0;

  constructor(btf: Btf) {
    this.btf = btf;
    this.builder = new BtfBuilder(btf);
  }

  /** Sets a word of a record, counted from the start of its btf_type. */
  set(id: number, index: number, value: number): void {
    this.#patches.push([id, index, value]);
  }

  /** Gives a record another kind, and a third word where that is one. */
  become(id: number, info: number, sizeOrType?: number): void {
    this.set(id, 1, info);
    if (sizeOrType !== undefined) this.set(id, 2, sizeOrType);
  }

  rename(id: number, name: string): void {
    this.set(id, 0, this.builder.string(name));
  }

  /** A type of one byte for what no longer has any. */
  get placeholder(): number {
    this.#placeholder ||= this.builder.addInt("enum64_placeholder", 1);
    return this.#placeholder;
  }

  finish(): Btf {
    const btf = this.builder.finish();
    for (const [id, index, value] of this.#patches) btf.patch(id, index, value);
    return btf;
  }
}

/** The encoding word of an INT of 8 bits. */
const BYTE = 8;

/** One byte: more could be more than the variable has. */
const toByte: Downgrade["replace"] = (edit, id) => {
  edit.become(id, typeInfo(BTF_KIND_INT), 1);
  edit.set(id, TYPE_WORDS, BYTE);
};

const sampleInt = (builder: BtfBuilder) => builder.addInt("int", 4, BTF_INT_SIGNED);
const sampleProto = (builder: BtfBuilder) =>
  builder.add("", typeInfo(BTF_KIND_FUNC_PROTO, 1), 0, builder.string("a"), sampleInt(builder));
const sampleFunc = (linkage: number) => (builder: BtfBuilder) => {
  const proto = sampleProto(builder);
  builder.add("x", typeInfo(BTF_KIND_FUNC, linkage), proto);
};
const sampleSection = (name: string) => (builder: BtfBuilder) => {
  const variable = builder.addVar("x", sampleInt(builder), BTF_VAR_STATIC);
  builder.add(name, typeInfo(BTF_KIND_DATASEC, 1), 4, variable, 0, 4);
};

const SECINFO_WORDS = 3;

/** Each replaced in turn: a row sees what those before it have left. */
export const DOWNGRADES: readonly Downgrade[] = [
  {
    name: "BTF kind FUNC",
    since: "5.0",
    sample: sampleFunc(BTF_FUNC_STATIC),
    needs: ({ kind }) => kind === "func" || kind === "func_proto",
    replace(edit, id, type) {
      if (type.kind === "func") edit.become(id, typeInfo(BTF_KIND_TYPEDEF));
      else protoToEnum(edit, id, type as BtfFuncProto);
    },
  },
  {
    name: "BTF of global functions",
    since: "5.6",
    sample: sampleFunc(BTF_FUNC_GLOBAL),
    needs: (type) => type.kind === "func" && type.linkage !== BTF_FUNC_STATIC,
    replace: (edit, id) => edit.become(id, typeInfo(BTF_KIND_FUNC, BTF_FUNC_STATIC)),
  },
  {
    name: "BTF kind DATASEC",
    since: "5.2",
    sample: sampleSection(".data"),
    needs: ({ kind }) => kind === "var" || kind === "datasec",
    replace(edit, id, type) {
      if (type.kind === "var") toByte(edit, id, type);
      else sectionToStruct(edit, id, type as BtfDatasec);
    },
  },
  {
    name: "BTF kind DATASEC with a ? in its name",
    since: "6.9",
    sample: sampleSection("?.data"),
    needs: (type) => type.kind === "datasec" && type.name.startsWith("?"),
    replace: (edit, id, type) => edit.rename(id, (type as BtfDatasec).name.replace("?", "_")),
  },
  {
    name: "BTF kind FLOAT",
    since: "5.13",
    sample: (builder) => builder.add("float", typeInfo(BTF_KIND_FLOAT), 4),
    needs: ({ kind }) => kind === "float",
    replace(edit, id) {
      edit.rename(id, ""); // no struct is called float
      edit.become(id, typeInfo(BTF_KIND_STRUCT));
    },
  },
  {
    name: "BTF kind DECL_TAG",
    since: "5.16",
    sample(builder) {
      const variable = builder.addVar("x", sampleInt(builder), BTF_VAR_STATIC);
      builder.add("tag", typeInfo(BTF_KIND_DECL_TAG), variable, -1);
    },
    needs: ({ kind }) => kind === "decl_tag",
    replace: toByte,
  },
  {
    name: "BTF kind TYPE_TAG",
    since: "5.17",
    sample(builder) {
      const tag = builder.add("tag", typeInfo(BTF_KIND_TYPE_TAG), sampleInt(builder));
      builder.add("", typeInfo(BTF_KIND_PTR), tag);
    },
    needs: ({ kind }) => kind === "type_tag",
    replace(edit, id) {
      edit.rename(id, "");
      edit.become(id, typeInfo(BTF_KIND_CONST));
    },
  },
  {
    name: "BTF kind ENUM64",
    since: "6.0",
    sample: (builder) => builder.add("enum64", typeInfo(BTF_KIND_ENUM64), 8),
    needs: (type) => type.kind === "enum64" || (type.kind === "enum" && type.signed),
    replace(edit, id, type) {
      if (type.kind === "enum64") enumToUnion(edit, id, type);
      else if (type.kind === "enum") edit.become(id, typeInfo(BTF_KIND_ENUM, type.values.length));
    },
  },
];

/** Parameters become values; the kernel wants a name of each. */
function protoToEnum(edit: Edit, id: number, { params }: BtfFuncProto): void {
  edit.become(id, typeInfo(BTF_KIND_ENUM, params.length), 4);
  for (const [i, { name }] of params.entries()) {
    if (name === "") edit.set(id, TYPE_WORDS + i * 2, edit.builder.string(`_${i}`));
  }
}

function sectionToStruct(edit: Edit, id: number, section: BtfDatasec): void {
  edit.become(id, typeInfo(BTF_KIND_STRUCT, section.vars.length));
  edit.rename(id, section.name.replace(/[.?]/g, "_"));
  for (const [i, { type, offset }] of section.vars.entries()) {
    const at = TYPE_WORDS + i * SECINFO_WORDS;
    edit.set(id, at, edit.btf.nameOffsetOf(type));
    edit.set(id, at + 1, type);
    edit.set(id, at + 2, offset * 8);
  }
}

/** Values become members of the same names. */
function enumToUnion(edit: Edit, id: number, { values }: BtfEnum64): void {
  edit.become(id, typeInfo(BTF_KIND_UNION, values.length));
  for (const i of values.keys()) {
    edit.set(id, TYPE_WORDS + i * SECINFO_WORDS + 1, edit.placeholder);
    edit.set(id, TYPE_WORDS + i * SECINFO_WORDS + 2, 0);
  }
}

/** The blob by which a kernel is asked. */
export function sampleOf(downgrade: Downgrade): Uint8Array {
  const builder = new BtfBuilder(Btf.empty());
  downgrade.sample(builder);
  return builder.finish().encode();
}

/** A copy without what a kernel does not know; it is asked only about what there is. Ids stay as they are. */
export function downgradeBtf(btf: Btf, knows: (downgrade: Downgrade) => boolean): Btf {
  return DOWNGRADES.reduce((current, downgrade) => {
    const concerned = typesThatNeed(current, downgrade);
    return concerned.length === 0 || knows(downgrade) ? current : replaceAll(current, downgrade, concerned);
  }, btf);
}

function typesThatNeed(btf: Btf, { needs }: Downgrade): number[] {
  const ids: number[] = [];
  for (let id = 1; id < btf.typeCount; id++) if (needs(btf.type(id))) ids.push(id);
  return ids;
}

function replaceAll(btf: Btf, { replace }: Downgrade, ids: readonly number[]): Btf {
  const edit = new Edit(btf);
  for (const id of ids) replace(edit, id, btf.type(id));
  return edit.finish();
}
