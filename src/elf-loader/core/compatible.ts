/**
 * When a type of the object and one of the kernel are taken for the same: loosely for field access and existence,
 * strictly for bpf_core_type_matches(). Source: bpf_core_fields_are_compat, __bpf_core_types_are_compat and
 * __bpf_core_types_match in libbpf's relo_core.c, whose comments are the specification.
 */
import type { Btf } from "../btf/btf.ts";
import { essentialName } from "../btf/names.ts";
import type { BtfComposite, BtfEnum, BtfEnum64, BtfForward, BtfFuncProto, BtfType } from "../btf/types.ts";
import { isComposite, isEnum } from "./access.ts";

/** A type in its BTF. */
export interface Typed {
  readonly btf: Btf;
  readonly id: number;
}

/** What was found of pairs of types already: types share parts, and in bad BTF so many that looking twice has no end. */
type Known = Map<string, boolean>;

function once(known: Known, key: string, compare: () => boolean): boolean {
  const answer = known.get(key) ?? compare();
  known.set(key, answer);
  return answer;
}

/** Longest chain of pointers, arrays and return types followed; function types in function types. As libbpf has it. */
const MAX_CHAIN = 32;
const MAX_LEVEL = 32;

type OfKind = Pick<BtfType, "kind">;
export const sameKind = (a: OfKind, b: OfKind): boolean => a.kind === b.kind || (isEnum(a) && isEnum(b));
const nameOf = (type: BtfType): string => ("name" in type ? type.name : "");
const sameName = (a: string, b: string): boolean => essentialName(a) === essentialName(b);

const resolve = ({ btf, id }: Typed): Typed => ({ btf, id: btf.resolve(id) });
const typeOf = ({ btf, id }: Typed): BtfType => btf.type(id);
const to = ({ btf }: Typed, id: number): Typed => ({ btf, id });

/** What is behind a pointer, an element, or a result: where comparing goes on. */
function next(type: BtfType): number | undefined {
  if (type.kind === "pointer" || type.kind === "array") return type.type;
  return type.kind === "func_proto" ? type.returnType : undefined;
}

const tooDeep = (local: Typed) => local.btf.error("Cannot compare types for CO-RE: they nest too deep", local.id);

/** Whether what one member holds can be read as what the other holds. */
export function fieldsCompatible(local: Typed, target: Typed): boolean {
  let [a, b] = [resolve(local), resolve(target)];
  for (let depth = 0; depth < MAX_CHAIN; depth++) {
    const [ours, theirs] = [typeOf(a), typeOf(b)];
    if (isComposite(ours) && isComposite(theirs)) return true;
    if (!sameKind(ours, theirs)) return false;
    if (ours.kind !== "array" || theirs.kind !== "array") return valuesCompatible(ours, theirs);
    [a, b] = [resolve(to(a, ours.type)), resolve(to(b, theirs.type))];
  }
  throw tooDeep(local);
}

function valuesCompatible(ours: BtfType, theirs: BtfType): boolean {
  if (ours.kind === "pointer" || ours.kind === "float") return true;
  if (ours.kind === "int" && theirs.kind === "int") return ours.bitOffset === 0 && theirs.bitOffset === 0;
  if (ours.kind !== "fwd" && !isEnum(ours)) return false;
  const [a, b] = [nameOf(ours), nameOf(theirs)];
  return a === "" || b === "" || sameName(a, b);
}

const WITHOUT_PARTS: ReadonlySet<string> = new Set(["void", "struct", "union", "enum", "enum64", "fwd"]);

/** Whether two types of the same name are the same for bpf_core_type_exists() and the like: kinds all the way down. */
export function typesCompatible(local: Typed, target: Typed, level = MAX_LEVEL, known: Known = new Map()): boolean {
  if (!sameKind(typeOf(local), typeOf(target))) return false;
  return once(known, `${local.id} ${target.id}`, () => chainsCompatible(local, target, level, known));
}

function chainsCompatible(local: Typed, target: Typed, level: number, known: Known): boolean {
  const parameters: Compare = (x, y, rest) => typesCompatible(resolve(x), resolve(y), rest, known);
  let [a, b] = [local, target];
  for (let depth = 0; depth < MAX_CHAIN; depth++) {
    [a, b] = [resolve(a), resolve(b)];
    const [ours, theirs] = [typeOf(a), typeOf(b)];
    if (!sameKind(ours, theirs)) return false;
    if (WITHOUT_PARTS.has(ours.kind)) return true;
    if (ours.kind === "int" && theirs.kind === "int") return ours.bitOffset === 0 && theirs.bitOffset === 0;
    if (ours.kind === "func_proto" && !parametersAgree(a, b, level, parameters)) return false;
    const [on, onThere] = [next(ours), next(theirs)];
    if (on === undefined || onThere === undefined) return false;
    [a, b] = [to(a, on), to(b, onThere)];
  }
  throw tooDeep(local);
}

type Compare = (local: Typed, target: Typed, level: number) => boolean;

function parametersAgree(local: Typed, target: Typed, level: number, compare: Compare): boolean {
  if (level <= 0) throw tooDeep(local);
  const ours = (typeOf(local) as BtfFuncProto).params;
  const theirs = (typeOf(target) as BtfFuncProto).params;
  if (ours.length !== theirs.length) return false;
  return ours.every(({ type }, i) => compare(to(local, type), to(target, theirs[i]?.type ?? 0), level - 1));
}

/** Whether the kernel's type has all that the object's has: names, sizes, signs and members. */
export function typesMatch(
  local: Typed,
  target: Typed,
  behindPointer = false,
  level = MAX_LEVEL,
  known: Known = new Map(),
): boolean {
  if (level <= 0) throw tooDeep(local);
  const key = `${local.id} ${target.id} ${behindPointer}`;
  return once(known, key, () => chainsMatch(local, target, behindPointer, level, known));
}

function chainsMatch(local: Typed, target: Typed, behindPointer: boolean, level: number, known: Known): boolean {
  let [a, b, pointed] = [local, target, behindPointer];
  for (let depth = 0; depth < MAX_CHAIN; depth++) {
    [a, b] = [resolve(a), resolve(b)];
    const [ours, theirs] = [typeOf(a), typeOf(b)];
    if (!sameName(nameOf(ours), nameOf(theirs))) return false;
    const [on, onThere] = [next(ours), next(theirs)];
    if (on === undefined) return partsMatch(a, b, pointed, level, known);
    if (ours.kind !== theirs.kind || onThere === undefined) return false;
    if (ours.kind === "array" && theirs.kind === "array" && ours.length !== theirs.length) return false;
    const behind = pointed;
    const parameters: Compare = (x, y, rest) => typesMatch(x, y, behind, rest, known);
    if (ours.kind === "func_proto" && !parametersAgree(a, b, level, parameters)) return false;
    pointed ||= ours.kind === "pointer";
    [a, b] = [to(a, on), to(b, onThere)];
  }
  throw tooDeep(local);
}

/** Types that lead to no single other one. */
function partsMatch(a: Typed, b: Typed, behindPointer: boolean, level: number, known: Known): boolean {
  const [ours, theirs] = [typeOf(a), typeOf(b)];
  if (ours.kind === "fwd") return forwardMatches(ours, theirs, behindPointer);
  if (isEnum(ours)) return isEnum(theirs) && enumsMatch(ours, theirs);
  if (isComposite(ours) && behindPointer) {
    return ours.kind === theirs.kind || (theirs.kind === "fwd" && (ours.kind === "union") === theirs.union);
  }
  if (isComposite(ours)) return isComposite(theirs) && ours.kind === theirs.kind && membersMatch(a, b, level, known);
  if (ours.kind === "int") return theirs.kind === "int" && ours.size === theirs.size && ours.signed === theirs.signed;
  return ours.kind === "void" && theirs.kind === "void";
}

function forwardMatches(ours: BtfForward, theirs: BtfType, behindPointer: boolean): boolean {
  if (theirs.kind === "fwd") return ours.union === theirs.union;
  return behindPointer && theirs.kind === (ours.union ? "union" : "struct");
}

function enumsMatch(ours: BtfEnum | BtfEnum64, theirs: BtfEnum | BtfEnum64): boolean {
  if (ours.size !== theirs.size || ours.values.length > theirs.values.length) return false;
  const names = new Set(theirs.values.map(({ name }) => essentialName(name)));
  return ours.values.every(({ name }) => names.has(essentialName(name)));
}

function membersMatch(a: Typed, b: Typed, level: number, known: Known): boolean {
  const ours = (typeOf(a) as BtfComposite).members;
  const theirs = (typeOf(b) as BtfComposite).members;
  if (ours.length > theirs.length) return false;
  return ours.every((member) =>
    theirs.some(
      (there) =>
        sameName(member.name, there.name) && typesMatch(to(a, member.type), to(b, there.type), false, level - 1, known),
    ),
  );
}
