/**
 * The names that types have in C. BTF may have several types of one name, C may not: the second `x` is `x___2`, a flavor
 * of it to CO-RE, as libbpf's btf_dump.c and bpftool call it.
 */
import type { Btf } from "../btf.ts";
import type { BtfForward, BtfType } from "../types.ts";

type Tagged = Extract<BtfType, { kind: "struct" | "union" | "enum" | "enum64" }>;

const isTagged = (type: BtfType): type is Tagged =>
  type.kind === "struct" || type.kind === "union" || type.kind === "enum" || type.kind === "enum64";

/** Counts how often a name was taken in one of C's name spaces. */
class NameSpace {
  readonly #taken = new Map<string, number>();

  take(name: string): string {
    const count = (this.#taken.get(name) ?? 0) + 1;
    this.#taken.set(name, count);
    return count === 1 ? name : this.take(`${name}___${count}`);
  }
}

export class CNames {
  readonly #btf: Btf;
  readonly #names = new Map<number, string>();
  /** Structs, unions and enums, which share a name space: what the first of a name is. */
  readonly #tags = new Map<string, string>();
  readonly #tagNames = new NameSpace();
  /** Typedefs, enumerators. */
  readonly #ordinary = new NameSpace();
  /** Characters of all uses of long names that may still be printed. */
  #left: number;

  constructor(btf: Btf) {
    this.#btf = btf;
    this.#left = 2 * btf.mostLong;
    for (let id = 1; id < btf.typeCount; id++) this.#name(id, btf.type(id));
  }

  #name(id: number, type: BtfType): void {
    if (isTagged(type) && type.name !== "") {
      const name = this.#tagNames.take(type.name);
      this.#names.set(id, name);
      this.#tags.set(name, keyword(type));
    } else if (type.kind === "typedef") {
      this.#names.set(id, this.#ordinary.take(type.name));
    }
  }

  /** The name of a type that has one, empty for one that has none. @throws ObjectError where long ones come too often */
  of(id: number): string {
    const name = this.#nameOf(id);
    if (name.length > this.#btf.usualName) this.#left -= name.length;
    if (this.#left < 0) throw this.#btf.error("Cannot print types: their names are too long in sum", id);
    return name;
  }

  #nameOf(id: number): string {
    const known = this.#names.get(id);
    if (known !== undefined) return known;
    const type = this.#btf.type(id);
    return type.kind === "fwd" ? this.#forward(type) : "";
  }

  /** A forward declaration is of the first of its name, unless that is of another kind. */
  #forward(type: BtfForward): string {
    const kind = this.#tags.get(type.name);
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
