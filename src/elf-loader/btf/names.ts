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

/**
 * Indices of the records whose name begins like one of the wanted ones and may be it, or a flavor of it. Nearly all are
 * told by their first two bytes, and none is decoded. The loop has nothing else in it: it runs before the JIT knows it.
 *
 * @param starts where each record begins, the first entry unused
 * @param stringSections of the BTF and of its base; offsets below `from` are the base's
 */
export function likelyNamed(
  names: Iterable<string>,
  words: Int32Array,
  starts: Uint32Array,
  [strings, ofBase]: readonly [Uint8Array, Uint8Array],
  from: number,
): number[] {
  const wanted = [...names].map(stringToBytes).filter(({ length }) => length > 0);
  const begins = beginnings(wanted);
  const found: number[] = [];
  for (let i = 1; i < starts.length; i++) {
    const offset = words[starts[i] as number] as number;
    if (offset === 0) continue;
    const bytes = offset >= from ? strings : ofBase;
    const at = offset >= from ? offset - from : offset;
    if (begins[(bytes[at] as number) | ((bytes[at + 1] as number) << 8)] === 0) continue;
    if (wanted.some((name) => isNamed(bytes, at, name))) found.push(i);
  }
  return found;
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
