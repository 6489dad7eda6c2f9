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

/** Tells by two bytes that a name is none of the wanted ones: nearly always, and without decoding it. */
export class NameFilter {
  readonly #begins = new Uint8Array(1 << 16);

  constructor(names: Iterable<string>) {
    for (const name of names) {
      const [first = 0, second] = stringToBytes(name);
      // A name of one letter may end there or go on with a flavor.
      for (const next of second === undefined ? [0, UNDERSCORE] : [second]) this.#begins[first | (next << 8)] = 1;
    }
  }

  mayHave(strings: Uint8Array, at: number): boolean {
    return this.#begins[(strings[at] as number) | ((strings[at + 1] as number) << 8)] === 1;
  }
}

const UNDERSCORE = 0x5f;
