/**
 * The path of an object's relocation in a candidate type of the kernel: members are found by name, wherever they are
 * there, elements by index. Source: bpf_core_spec_match and bpf_core_match_member in libbpf's relo_core.c.
 */
import type { Btf } from "../btf/btf.ts";
import { essentialName } from "../btf/names.ts";
import type { BtfComposite } from "../btf/types.ts";
import { BPF_CORE_TYPE_MATCHES } from "../uapi/bpf.ts";
import { type Access, holds, isComposite, isEnum, MAX_STEPS, type Step } from "./access.ts";
import { fieldsCompatible, typesCompatible, typesMatch } from "./compatible.ts";
import { CORE_KINDS, type CoreSubject } from "./relocation.ts";

/** The same path in a candidate, undefined where the candidate has no such thing. */
export function matchAccess(local: Access, kind: number, btf: Btf, root: number): Access | undefined {
  const subject = CORE_KINDS[kind]?.subject;
  return subject && MATCHERS[subject](local, btf, root, kind);
}

type Matcher = (local: Access, btf: Btf, root: number, kind: number) => Access | undefined;

const MATCHERS: { readonly [subject in CoreSubject]: Matcher } = {
  type(local, btf, root, kind) {
    const [ours, theirs] = [
      { btf: local.btf, id: local.root },
      { btf, id: root },
    ];
    const same = kind === BPF_CORE_TYPE_MATCHES ? typesMatch(ours, theirs) : typesCompatible(ours, theirs);
    return same ? { btf, root, steps: [], bitOffset: 0 } : undefined;
  },

  enumerator(local, btf, root) {
    const type = btf.resolve(root);
    const found = btf.type(type);
    if (!isEnum(found)) return undefined;
    const name = essentialName(local.steps[0]?.name ?? "");
    const index = found.values.findIndex((value) => essentialName(value.name) === name);
    const value = found.values[index];
    return value && { btf, root, steps: [{ type, index, name: value.name }], bitOffset: 0 };
  },

  field(local, btf, root) {
    const cursor: Cursor = { btf, type: root, steps: [], bitOffset: 0 };
    for (const [i, step] of local.steps.entries()) {
      const found = step.name === undefined ? toElement(cursor, step, i > 0) : toMember(cursor, local.btf, step);
      if (!found) return undefined;
    }
    return { btf, root, steps: cursor.steps, bitOffset: cursor.bitOffset };
  },
};

/** How far a path has been followed. */
interface Cursor {
  readonly btf: Btf;
  /** The type it has come to. */
  type: number;
  readonly steps: Step[];
  bitOffset: number;
}

/** Moves on to an element; the first step is into what counts as an array of the root. */
function toElement(cursor: Cursor, { index }: Step, inArray: boolean): boolean {
  const { btf } = cursor;
  cursor.type = btf.resolve(cursor.type);
  if (inArray) {
    const array = btf.type(cursor.type);
    if (array.kind !== "array" || !holds(btf, array, index, cursor.steps.at(-1))) return false;
    cursor.type = btf.resolve(array.type);
  }
  cursor.steps.push({ type: cursor.type, index });
  cursor.bitOffset += index * btf.sizeOf(cursor.type) * 8;
  return true;
}

/** Moves on to the member of that name, if there is one that can be read as the object's. */
function toMember(cursor: Cursor, localBtf: Btf, step: Step): boolean {
  const { btf } = cursor;
  const local = (localBtf.type(step.type) as BtfComposite).members[step.index];
  const found = local && findMember(btf, btf.resolve(cursor.type), local.name);
  if (!found || !fieldsCompatible({ btf: localBtf, id: local.type }, { btf, id: found.memberType })) return false;
  cursor.steps.push({ type: found.owner, index: found.index, name: local.name });
  cursor.type = found.memberType;
  cursor.bitOffset += found.bitOffset;
  return true;
}

interface FoundMember {
  /** The struct or union that has it: itself, or an anonymous one inside. */
  readonly owner: number;
  readonly index: number;
  readonly memberType: number;
  /** From the start of the outermost struct. */
  readonly bitOffset: number;
}

function findMember(btf: Btf, id: number, name: string, depth = 0): FoundMember | undefined {
  const type = btf.type(id);
  if (!isComposite(type)) return undefined;
  if (depth > MAX_STEPS) throw btf.error(`Cannot find member ${name}: structs nest too deep`, id);
  for (const [index, member] of type.members.entries()) {
    if (member.name === name) return { owner: id, index, memberType: member.type, bitOffset: member.bitOffset };
    const inner = member.name === "" ? findMember(btf, btf.resolve(member.type), name, depth + 1) : undefined;
    if (inner) return { ...inner, bitOffset: member.bitOffset + inner.bitOffset };
  }
  return undefined;
}
