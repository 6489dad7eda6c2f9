/** BTF with types and names added behind those it has: ids and string offsets of what was there stay as they are. */
import { concat, stringToBytes } from "../bytes/text.ts";
import { BTF_KIND_INT, BTF_KIND_VAR } from "../uapi/btf.ts";
import type { Btf } from "./btf.ts";

/** The second word of struct btf_type: kind, vlen and kind_flag. */
export const typeInfo = (kind: number, count = 0, flag = false): number => (flag ? 1 << 31 : 0) | (kind << 24) | count;

export class BtfBuilder {
  readonly #btf: Btf;
  readonly #words: number[] = [];
  readonly #strings: Uint8Array[] = [];
  readonly #offsets = new Map<string, number>([["", 0]]);
  #stringsEnd: number;
  #types: number;

  constructor(btf: Btf) {
    this.#btf = btf;
    this.#stringsEnd = btf.stringsEnd;
    this.#types = btf.typeCount;
  }

  /** The offset of a name; each is added once. */
  string(text: string): number {
    const known = this.#offsets.get(text);
    if (known !== undefined) return known;
    const offset = this.#stringsEnd;
    const bytes = stringToBytes(`${text}\0`);
    this.#strings.push(bytes);
    this.#offsets.set(text, offset);
    this.#stringsEnd += bytes.length;
    return offset;
  }

  /** The id of a new type: its struct btf_type, then the words of its kind (btf/records.ts). */
  add(name: string, info: number, sizeOrType: number, ...words: number[]): number {
    this.#words.push(this.string(name), info, sizeOrType, ...words);
    return this.#types++;
  }

  /** An integer of so many bytes. */
  addInt(name: string, size: number, encoding = 0): number {
    return this.add(name, typeInfo(BTF_KIND_INT), size, (encoding << 24) | (size * 8));
  }

  addVar(name: string, type: number, linkage: number): number {
    return this.add(name, typeInfo(BTF_KIND_VAR), type, linkage);
  }

  /** A copy of what it began with, and what was added. */
  finish(): Btf {
    return this.#btf.extended(Int32Array.from(this.#words), concat(this.#strings));
  }
}
