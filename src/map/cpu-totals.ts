// What the values of all CPUs come to: numbers joined, member by member; what is no count as on the first CPU that wrote
// any: text, names, bytes, and by its type also pointers, characters and arrays of single bytes, such as addresses.

import { type Btf, fieldsOf } from "elf-loader";

/** What of a value's type matters here. */
export interface CountedType {
  /** No count, though its values are numbers. */
  readonly single?: boolean;
  /** The least and the greatest that an integer holds. */
  readonly range?: readonly [least: bigint, greatest: bigint];
  readonly item?: CountedType | undefined;
  readonly members?: ReadonlyMap<string, CountedType | undefined>;
}

type Numbers = readonly (number | bigint)[];

/** Numbers of all CPUs to one, or to what stands in its place. */
export type Join = (numbers: Numbers, range: CountedType["range"]) => unknown;

// All are numbers, or all bigints.
const add = (numbers: Numbers) => (numbers as number[]).reduce((all, one) => all + one);

export const sumOf: Join = (numbers) => add(numbers);
export const greatestOf: Join = (numbers) => (numbers as number[]).reduce((all, one) => (one > all ? one : all));
/** A sum that the type does not hold is none: all of them. */
export const sumOrAll: Join = (numbers, range) => {
  const sum = add(numbers);
  return range && (sum < range[0] || sum > range[1]) ? [...numbers] : sum;
};

/** `nothing`: what zeros are as such a value. */
export function joined(values: readonly unknown[], nothing: unknown, join: Join, type?: CountedType): unknown {
  const [first] = values;
  // An enum's value has a name on one CPU and none on another.
  const isSingle = type?.single || values.some((value) => typeof value !== typeof first);
  if (!isSingle && (typeof first === "number" || typeof first === "bigint"))
    return join(values as Numbers, type?.range);
  if (isSingle || typeof first !== "object" || first === null || first instanceof Uint8Array)
    return values.find((value) => !Bun.deepEquals(value, nothing)) ?? first;
  const part = (name: string | number, of?: CountedType) => joined(values.map(at(name)), at(name)(nothing), join, of);
  if (Array.isArray(first)) return first.map((_, i) => part(i, type?.item));
  return Object.fromEntries(Object.keys(first).map((name) => [name, part(name, type?.members?.get(name))]));
}

const at =
  (name: string | number) =>
  (value: unknown): unknown =>
    (value as { [name: string]: unknown } | undefined)?.[name];

/** `bits`: of a bit-field. */
export function countedType(btf: Btf, id: number, bits = 0): CountedType | undefined {
  const type = btf.resolved(id);
  switch (type.kind) {
    case "int":
      return type.bool || type.char ? SINGLE : { range: rangeOf(bits || type.size * 8, type.signed) };
    case "array": {
      const item = btf.resolved(type.type);
      return item.kind === "int" && item.size === 1 ? SINGLE : { item: countedType(btf, type.type) };
    }
    case "struct":
    case "union": {
      const fields = fieldsOf(btf, btf.resolve(id), type);
      return { members: new Map(fields.map((field) => [field.name, countedType(btf, field.type, field.bitSize)])) };
    }
    case "float":
      return undefined;
    default:
      return SINGLE;
  }
}

const SINGLE: CountedType = { single: true };

function rangeOf(bits: number, signed: boolean): readonly [bigint, bigint] {
  const all = 1n << BigInt(signed ? bits - 1 : bits);
  return [signed ? -all : 0n, all - 1n];
}
