/**
 * An access path through a type: `0:3:1` of struct a is, by the object's BTF, a.list.next. Steps with a name are
 * members, anonymous structs between them are passed through; steps without are elements of arrays.
 * Source: bpf_core_parse_spec in libbpf's relo_core.c.
 */
import { type Btf, describe } from "../btf/btf.ts";
import type { BtfArray, BtfComposite, BtfEnum, BtfEnum64 } from "../btf/types.ts";
import { type ObjectError, shortened } from "../errors.ts";
import { CORE_KINDS, type CoreRelocation } from "./relocation.ts";

export interface Step {
  /** Of a member the struct or union that has it; of an element its own type. Resolved. */
  readonly type: number;
  readonly index: number;
  /** Of a member or enumerator; elements have none. */
  readonly name?: string;
}

/** Where a path leads in one BTF. */
export interface Access {
  readonly btf: Btf;
  /** The type it starts from, not resolved. */
  readonly root: number;
  readonly steps: readonly Step[];
  /** From the start of the root. */
  readonly bitOffset: number;
}

/** Most indices of a path: BPF_CORE_SPEC_MAX_LEN in libbpf's relo_core.h. */
export const MAX_STEPS = 64;
/** Characters of a path in a message. */
const MOST_SHOWN = 80;

/** @throws ObjectError when the path does not lead through the type */
export function parseAccess(btf: Btf, relocation: CoreRelocation): Access {
  const { type, access, kind } = relocation;
  const fail = (why: string) =>
    btf.error(
      `Cannot use CO-RE relocation ${shortened(access, MOST_SHOWN)} of ${describe(btf.type(type))}: ${why}`,
      type,
    );
  const subject = CORE_KINDS[kind]?.subject;
  if (subject === undefined) throw fail(`unknown kind ${kind}`);
  if (subject === "type") {
    if (access !== "0") throw fail("a type has no path");
    return { btf, root: type, steps: [], bitOffset: 0 };
  }
  const indices = parseIndices(access, fail);
  const steps = subject === "enumerator" ? enumerator(btf, type, indices, fail) : undefined;
  return steps ? { btf, root: type, steps, bitOffset: 0 } : fields(btf, type, indices, fail);
}

type Fail = (why: string) => ObjectError;

function parseIndices(access: string, fail: Fail): number[] {
  if (!/^\d{1,9}(:\d{1,9})*$/.test(access)) throw fail("it is no list of indices");
  const indices = access.split(":").map(Number);
  if (indices.length > MAX_STEPS) throw fail(`more than ${MAX_STEPS} indices`);
  return indices;
}

function enumerator(btf: Btf, id: number, indices: readonly number[], fail: Fail): Step[] {
  const root = btf.resolve(id);
  const type = btf.type(root);
  const [index = 0] = indices;
  const value = isEnum(type) && indices.length === 1 ? type.values[index] : undefined;
  if (!value) throw fail("it has no such enumerator");
  return [{ type: root, index, name: value.name }];
}

export const isEnum = (type: { kind: string }): type is BtfEnum | BtfEnum64 =>
  type.kind === "enum" || type.kind === "enum64";
export const isComposite = (type: { kind: string }): type is BtfComposite =>
  type.kind === "struct" || type.kind === "union";

function fields(btf: Btf, root: number, indices: readonly number[], fail: Fail): Access {
  let current = btf.resolve(root);
  const [first = 0, ...rest] = indices;
  const steps: Step[] = [{ type: current, index: first }];
  let bitOffset = first * btf.sizeOf(current) * 8;
  for (const index of rest) {
    const at = btf.resolve(current);
    const type = btf.type(at);
    if (isComposite(type)) {
      const member = type.members[index];
      if (!member) throw fail(`${describe(type)} has no member ${index}`);
      if (member.name !== "") steps.push({ type: at, index, name: member.name });
      bitOffset += member.bitOffset;
      current = member.type;
    } else if (type.kind === "array") {
      if (!holds(btf, type, index, steps.at(-1))) throw fail(`an array of ${type.length} has no element ${index}`);
      current = btf.resolve(type.type);
      steps.push({ type: current, index });
      bitOffset += index * btf.sizeOf(current) * 8;
    } else throw fail(`${describe(type)} has no members`);
  }
  return { btf, root, steps, bitOffset };
}

/** Whether an array has an element; the last member of a struct, without a length, has any. */
export function holds(btf: Btf, array: BtfArray, index: number, before: Step | undefined): boolean {
  if (index < array.length) return true;
  if (array.length > 0 || before?.name === undefined) return false;
  const owner = btf.type(before.type);
  return isComposite(owner) && before.index === owner.members.length - 1;
}

/** A path as C writes it behind the type: `.list[2].next`, `::VALUE`. */
export function pathOf({ steps, btf }: Access): string {
  return steps
    .map(({ name, index, type }, i) => {
      if (name === undefined) return i > 0 || index > 0 ? `[${index}]` : "";
      return isEnum(btf.type(type)) ? `::${name}` : `.${name}`;
    })
    .join("");
}
