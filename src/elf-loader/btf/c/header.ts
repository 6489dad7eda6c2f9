/**
 * All types of a BTF as a header in C that a compiler takes: each defined once and before it is needed, pointers to
 * structs by a forward declaration. Of a module's, with what they need of the kernel's. What `bpftool btf dump format c`
 * gives, written anew.
 */
import type { Btf } from "../btf.ts";
import type { BtfType } from "../types.ts";
import { Declarations } from "./declaration.ts";
import { LayoutFinder } from "./layout.ts";
import { CNames, keyword } from "./names.ts";

/** Types that compilers have by themselves. */
const BUILT_IN = /^__builtin_|^__u?int128_t$/;

const PREAMBLE = `#ifndef __VMLINUX_H__
#define __VMLINUX_H__

#ifndef BPF_NO_PRESERVE_ACCESS_INDEX
#pragma clang attribute push (__attribute__((preserve_access_index)), apply_to = record)
#endif

`;
const END = `#ifndef BPF_NO_PRESERVE_ACCESS_INDEX
#pragma clang attribute pop
#endif

#endif /* __VMLINUX_H__ */
`;

/** The text of a header, in pieces. @throws ObjectError where a type has no form in C */
export function* cHeader(btf: Btf): Generator<string> {
  yield PREAMBLE;
  let left = (btf.byteSize + (btf.base?.byteSize ?? 0)) * MOST_TEXT + PREAMBLE.length;
  for (const text of new Header(btf).definitions()) {
    left -= text.length;
    if (left < 0) throw btf.error("Cannot print types: they hold each other too often", 0);
    yield text;
  }
  yield END;
}

/** Text for each byte of BTF: a kernel's has half as much. Types without a name are printed wherever they are used. */
const MOST_TEXT = 32;
/** Longest way from a type to what it needs: a kernel's is below 50. */
const MAX_NEEDS = 256;

type State = "being defined" | "defined";

class Header {
  readonly #btf: Btf;
  readonly #names: CNames;
  readonly #declarations: Declarations;
  /** By id: an array takes a quarter of a Map's memory. */
  readonly #states: (State | undefined)[];
  readonly #forwards = new Set<string>();
  #depth = 0;
  #text: string[] = [];

  constructor(btf: Btf) {
    this.#btf = btf;
    this.#states = new Array(btf.typeCount);
    this.#names = new CNames(btf);
    this.#declarations = new Declarations(btf, this.#names, new LayoutFinder(btf));
  }

  *definitions(): Generator<string> {
    for (let id = this.#btf.base?.typeCount ?? 1; id < this.#btf.typeCount; id++) {
      const type = this.#btf.type(id);
      if (!isDefined(type)) continue;
      this.#need(id, true);
      yield this.#text.join("");
      this.#text = [];
    }
    yield* this.#values();
  }

  /** Enums that nothing has are there for their values. */
  *#values(): Generator<string> {
    for (const kind of ["enum", "enum64"] as const) {
      for (const id of this.#btf.idsOf(kind)) {
        if (this.#btf.nameOf(id) !== "" || this.#states[id]) continue;
        yield `${this.#declarations.specifier(id, "")};\n\n`;
      }
    }
  }

  /** Writes what must stand before a type can be used: `whole` where its size is needed. */
  #need(id: number, whole: boolean): void {
    if (++this.#depth > MAX_NEEDS) throw this.#btf.error(`Cannot print type ${id}: it nests too deep`, id);
    this.#needType(id, whole);
    this.#depth--;
  }

  #needType(id: number, whole: boolean): void {
    const type = this.#btf.type(id);
    switch (type.kind) {
      case "pointer":
        this.#need(type.type, false);
        break;
      case "const":
      case "volatile":
      case "restrict":
      case "type_tag":
        this.#need(type.type, whole);
        break;
      case "array":
        this.#need(type.type, true);
        break;
      case "func_proto":
        this.#need(type.returnType, false);
        for (const parameter of type.params) this.#need(parameter.type, false);
        break;
      case "typedef":
        this.#typedef(id, type.type, whole);
        break;
      case "fwd":
        this.#forward(`${keyword(type)} ${this.#names.of(id)}`);
        break;
      case "struct":
      case "union":
        this.#composite(id, type, whole);
        break;
      case "enum":
      case "enum64":
        this.#enum(id, type.name);
        break;
    }
  }

  #typedef(id: number, target: number, whole: boolean): void {
    if (!this.#states[id]) {
      this.#states[id] = "defined";
      this.#need(target, false);
      const name = this.#names.of(id);
      if (!BUILT_IN.test(name)) this.#text.push(`typedef ${this.#declarations.declare(target, name)};\n\n`);
    }
    if (whole) this.#need(target, true);
  }

  #composite(id: number, type: Extract<BtfType, { kind: "struct" | "union" }>, whole: boolean): void {
    const state = this.#states[id];
    const named = type.name !== "";
    if (named && !whole && state !== "defined") this.#forward(`${keyword(type)} ${this.#names.of(id)}`);
    if ((named && !whole) || state === "defined") return;
    if (state === "being defined") throw this.#btf.error(`Cannot print type ${id}: it contains itself`, id);
    this.#states[id] = "being defined";
    for (const member of type.members) this.#need(member.type, true);
    if (named) this.#text.push(`${this.#declarations.definition(id)};\n\n`);
    this.#states[id] = "defined";
  }

  #enum(id: number, name: string): void {
    if (this.#states[id]) return;
    this.#states[id] = "defined";
    if (name !== "") this.#text.push(`${this.#declarations.definition(id)};\n\n`);
  }

  #forward(declaration: string): void {
    if (this.#forwards.has(declaration)) return;
    this.#forwards.add(declaration);
    this.#text.push(`${declaration};\n\n`);
  }
}

/** What the header is to have; what else there is comes with them. */
function isDefined(type: BtfType): boolean {
  switch (type.kind) {
    case "struct":
    case "union":
    case "enum":
    case "enum64":
    case "typedef":
      return type.name !== "";
    case "fwd":
      return true;
    default:
      return false;
  }
}
