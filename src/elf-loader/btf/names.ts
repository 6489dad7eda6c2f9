/**
 * Names of types as CO-RE compares them: `task_struct___old` is a flavor of `task_struct`. Source: the comment on
 * bpf_core_essential_name_len in libbpf's libbpf_internal.h.
 */
import { stringToBytes } from "../bytes/text.ts";

/** A name without its flavor: what follows the last three underscores that stand between other characters. */
export function essentialName(name: string): string {
  return name.includes("___") ? (FLAVORED.exec(name)?.[0] ?? name) : name;
}

const FLAVORED = /^.*[^_](?=___[^_])/s;

/** The records of a BTF, for a look through all of them. */
export interface Scanned {
  readonly words: Int32Array;
  /** Where each record begins, and of what BTF_KIND_* it is; the first entry unused. */
  readonly starts: Uint32Array;
  readonly kinds: Uint8Array;
  /** BTF_KIND_* that are looked for. */
  readonly wanted: readonly number[];
  readonly strings: Uint8Array;
  /** Strings of the base: offsets below `from` are its. */
  readonly ofBase: Uint8Array;
  readonly from: number;
}

/**
 * Indices of the records of some kinds whose name is one of the wanted ones or a flavor of it, in order. Of a kernel's
 * records one in ten is a struct; nearly all of those are told by the first two bytes, and none is decoded.
 */
export function likelyNamed(names: Iterable<string>, scanned: Scanned): number[] {
  const { words, starts, kinds, wanted, strings, ofBase, from } = scanned;
  const spelled = [...names].map(stringToBytes).filter(({ length }) => length > 0);
  const begins = beginnings(spelled);
  const found: number[] = [];
  for (const kind of wanted) {
    for (let i = kinds.indexOf(kind, 1); i > 0; i = kinds.indexOf(kind, i + 1)) {
      const offset = words[starts[i] as number] as number;
      const bytes = offset >= from ? strings : ofBase;
      const at = offset >= from ? offset - from : offset;
      if (begins[(bytes[at] as number) | ((bytes[at + 1] as number) << 8)] === 0) continue;
      if (spelled.some((name) => isNamed(bytes, at, name))) found.push(i);
    }
  }
  return found.sort((a, b) => a - b);
}

/** By the first byte and the second one: 1 where a wanted name begins so. */
function beginnings(names: readonly Uint8Array[]): Uint8Array {
  const begins = new Uint8Array(1 << 16);
  for (const [first = 0, second] of names) {
    // A name of one letter may end there or go on with a flavor.
    for (const next of second === undefined ? [0, UNDERSCORE] : [second]) begins[first | (next << 8)] = 1;
  }
  return begins;
}

/** Whether there is this name, ending there or with a flavor behind it. */
function isNamed(bytes: Uint8Array, at: number, name: Uint8Array): boolean {
  for (let i = 0; i < name.length; i++) if (bytes[at + i] !== name[i]) return false;
  const next = bytes[at + name.length];
  return next === 0 || next === UNDERSCORE;
}

const UNDERSCORE = 0x5f;
