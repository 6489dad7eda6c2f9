/**
 * What a relocation of each kind comes to for a path, in the object or in the kernel: an offset, a size, whether it is
 * there. Source: bpf_core_calc_field_relo, _type_relo and _enumval_relo in libbpf's relo_core.c.
 */
import type { BtfType } from "../btf/types.ts";
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
import { type Access, isComposite, isEnum, type Step } from "./access.ts";

export interface CoreValue {
  readonly value: bigint;
  /** Whether clang is sure to have written this value into the instruction. */
  readonly certain: boolean;
  /** What a load or store at this offset takes: its bytes, and the type, resolved. */
  readonly memory?: { readonly size: number; readonly type: BtfType } | undefined;
}

type Compute = (access: Access) => CoreValue;

const value = (number: number | bigint, certain = true): CoreValue => ({ value: BigInt(number), certain });
const one: Compute = () => value(1);

/** What the path leads to: bytes and bits to load, and for a bit-field which of them. */
interface Span {
  readonly type: BtfType;
  readonly byteOffset: number;
  readonly byteSize: number;
  readonly bitOffset: number;
  readonly bitSize: number;
  readonly bitField: boolean;
}

function spanOf(access: Access): Span {
  const { btf, bitOffset } = access;
  const step = access.steps.at(-1) as Step;
  const owner = step.name === undefined ? undefined : btf.type(step.type);
  const member = owner && isComposite(owner) ? owner.members[step.index] : undefined;
  const id = btf.resolve(member?.type ?? step.type);
  const type = btf.type(id);
  if (member && member.bitSize > 0) return bitFieldSpan(access, type, member.bitSize);
  const byteSize = btf.sizeOf(id);
  return {
    type,
    byteOffset: Math.floor(bitOffset / 8),
    byteSize,
    bitOffset,
    bitSize: byteSize * 8,
    bitField: false,
  };
}

/** The smallest aligned integer that has all bits of the field, from the size of its declared type up to eight bytes. */
function bitFieldSpan({ btf, root, bitOffset }: Access, type: BtfType, bitSize: number): Span {
  let byteSize = "size" in type && type.size > 0 ? type.size : 1;
  for (; byteSize <= 8; byteSize *= 2) {
    const byteOffset = Math.floor(bitOffset / 8 / byteSize) * byteSize;
    if (bitOffset + bitSize <= (byteOffset + byteSize) * 8) {
      return { type, byteOffset, byteSize, bitOffset, bitSize, bitField: true };
    }
  }
  throw btf.error(`Cannot relocate a bit-field of ${bitSize} bits at bit ${bitOffset}: no one load reads it`, root);
}

/** A question about the field that an element of an array has no answer to. */
const ofMember =
  (compute: Compute): Compute =>
  (access) => {
    if (access.steps.at(-1)?.name !== undefined) return compute(access);
    throw access.btf.error("Cannot relocate an array's element by its sign or bits", access.root);
  };

const COMPUTE: { readonly [kind: number]: Compute } = {
  [BPF_CORE_FIELD_EXISTS]: one,
  [BPF_CORE_FIELD_BYTE_OFFSET](access) {
    const { byteOffset, byteSize, bitField, type } = spanOf(access);
    return {
      ...value(byteOffset, !bitField),
      memory: bitField ? undefined : { size: byteSize, type },
    };
  },
  [BPF_CORE_FIELD_BYTE_SIZE](access) {
    const { byteSize, bitField } = spanOf(access);
    return value(byteSize, !bitField);
  },
  [BPF_CORE_FIELD_SIGNED]: ofMember((access) => {
    const { type } = spanOf(access);
    return value((isEnum(type) || type.kind === "int") && type.signed ? 1 : 0);
  }),
  [BPF_CORE_FIELD_LSHIFT_U64]: ofMember((access) => {
    const { bitOffset, bitSize, byteOffset, byteSize, bitField } = spanOf(access);
    const inner = bitOffset - byteOffset * 8;
    const little = access.btf.byteOrder === "little";
    return value(little ? 64 - (inner + bitSize) : (8 - byteSize) * 8 + inner, !bitField);
  }),
  [BPF_CORE_FIELD_RSHIFT_U64]: ofMember((access) => value(64 - spanOf(access).bitSize)),

  // Linkers may have given the object's types other ids since.
  [BPF_CORE_TYPE_ID_LOCAL]: ({ root }) => value(root, false),
  [BPF_CORE_TYPE_ID_TARGET]: ({ root }) => value(root, false),
  [BPF_CORE_TYPE_EXISTS]: one,
  [BPF_CORE_TYPE_MATCHES]: one,
  [BPF_CORE_TYPE_SIZE]: ({ btf, root }) => value(btf.sizeOf(root)),

  [BPF_CORE_ENUMVAL_EXISTS]: one,
  [BPF_CORE_ENUMVAL_VALUE]({ btf, steps }) {
    const { type: id, index } = steps[0] as Step;
    const type = btf.type(id);
    const found = isEnum(type) ? (type.values[index]?.value ?? 0) : 0;
    // 32 bits are extended by their sign, whatever the flag says, as libbpf does.
    return value(typeof found === "number" ? found | 0 : found);
  },
};

/** Kinds whose question has no answer where the kernel lacks the thing: the instruction must not be reached. */
const NEEDS_TARGET: ReadonlySet<number> = new Set([
  BPF_CORE_FIELD_BYTE_OFFSET,
  BPF_CORE_FIELD_BYTE_SIZE,
  BPF_CORE_FIELD_SIGNED,
  BPF_CORE_FIELD_LSHIFT_U64,
  BPF_CORE_FIELD_RSHIFT_U64,
  BPF_CORE_ENUMVAL_VALUE,
]);

/** The answer for a path. @throws ObjectError */
export function computeValue(kind: number, access: Access): CoreValue {
  return (COMPUTE[kind] as Compute)(access);
}

/** The answer where the kernel has no such thing: 0, or undefined where there is none. */
export function absentValue(kind: number): CoreValue | undefined {
  return NEEDS_TARGET.has(kind) ? undefined : value(0);
}
