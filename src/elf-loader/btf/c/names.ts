/**
 * The names that types have in C. BTF may have several types of one name, C may not: the second `x` is `x___2`, a flavor
 * of it to CO-RE, as libbpf's btf_dump.c and bpftool call it.
 */
import type { Btf } from "../btf.ts";
import type { BtfForward, BtfType } from "../types.ts";

type Tagged = Extract<BtfType, { kind: "struct" | "union" | "enum" | "enum64" }>;

const KEYWORDS = ["struct", "union", "enum"];
/** Place in KEYWORDS. */
const TAGS: { readonly [kind: string]: number | undefined } = { struct: 0, union: 1, enum: 2, enum64: 2 };

/** Counts how often a name was taken in one of C's name spaces, and knows by what first: one number for both. */
class NameSpace {
  readonly #taken = new Map<string, number>();

  take(name: string, first = 0): string {
    const taken = this.#taken.get(name) ?? first;
    this.#taken.set(name, taken + KEYWORDS.length);
    const count = Math.floor(taken / KEYWORDS.length) + 1;
    return count === 1 ? name : this.take(`${name}___${count}`, first);
  }

  /** What the first of that name is, of KEYWORDS; undefined where there is none. */
  keyword(name: string): string | undefined {
    const taken = this.#taken.get(name);
    return taken === undefined ? undefined : KEYWORDS[taken % KEYWORDS.length];
  }
}

export class CNames {
  readonly #btf: Btf;
  /** By id. */
  readonly #names: (string | undefined)[];
  /** Structs, unions and enums, which share a name space. */
  readonly #tags = new NameSpace();
  /** Typedefs, enumerators. */
  readonly #ordinary = new NameSpace();
  /** Characters of all uses of long names that may still be printed. */
  #left: number;

  constructor(btf: Btf) {
    this.#btf = btf;
    this.#left = 2 * btf.mostLong;
    this.#names = new Array(btf.typeCount);
    for (let id = 1; id < btf.typeCount; id++) this.#name(id);
  }

  /** Nothing is decoded but names: there are as many types as fit. */
  #name(id: number): void {
    const kind = this.#btf.kind(id);
    const tag = TAGS[kind];
    if (tag === undefined && kind !== "typedef") return;
    const name = this.#btf.nameOf(id);
    if (tag === undefined) this.#names[id] = this.#ordinary.take(name);
    else if (name !== "") this.#names[id] = this.#tags.take(name, tag);
  }

  /** The name of a type that has one, empty for one that has none. @throws ObjectError where long ones come too often */
  of(id: number): string {
    const name = this.#nameOf(id);
    if (name.length > this.#btf.usualName) this.#left -= name.length;
    if (this.#left < 0) throw this.#btf.error("Cannot print types: their names are too long in sum", id);
    return name;
  }

  #nameOf(id: number): string {
    const known = this.#names[id];
    if (known !== undefined) return known;
    const type = this.#btf.type(id);
    return type.kind === "fwd" ? this.#forward(type) : "";
  }

  /** A forward declaration is of the first of its name, unless that is of another kind. */
  #forward(type: BtfForward): string {
    const kind = this.#tags.keyword(type.name);
    if (kind !== undefined && kind !== keyword(type)) return `${type.name}___fwd`;
    return type.name;
  }

  /** The name of a value of an enum: asked for once, in the order in which they are printed. */
  enumerator(name: string): string {
    return this.#ordinary.take(name);
  }
}

/** What stands before the name: `struct`, `union`, `enum`. */
export function keyword(type: Tagged | BtfForward): string {
  if (type.kind === "fwd") return type.union ? "union" : "struct";
  return type.kind === "enum64" ? "enum" : type.kind;
}
