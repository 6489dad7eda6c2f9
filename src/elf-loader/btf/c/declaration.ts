/**
 * Declarations in C from BTF: a type is read from the inside out, a declarator is written from the outside in.
 * Grammar: C17 6.7.6.
 */
import { type Btf, MAX_DEPTH } from "../btf.ts";
import type { BtfComposite, BtfEnum, BtfEnum64, BtfFuncProto } from "../types.ts";
import type { LayoutFinder } from "./layout.ts";
import { type CNames, keyword } from "./names.ts";

/** Most bytes of one declaration: types that hold each other without a name could ask for any number. */
const MAX_TEXT = 1 << 20;

export class Declarations {
  readonly #btf: Btf;
  readonly #names: CNames;
  readonly #layouts: LayoutFinder;
  /** Enums without a name that were printed: a second time their values would be declared again. */
  readonly #printed = new Set<number>();
  #depth = 0;

  constructor(btf: Btf, names: CNames, layouts: LayoutFinder) {
    this.#btf = btf;
    this.#names = names;
    this.#layouts = layouts;
  }

  /** `const struct list_head *next[3]`: a thing of that type and name, or the type where the name is empty. */
  declare(id: number, name: string, indent = ""): string {
    if (++this.#depth > MAX_DEPTH) throw this.#btf.error(`Cannot print type ${id}: it nests too deep`, id);
    const text = this.#declare(id, name, "", indent);
    this.#depth--;
    if (text.length > MAX_TEXT) throw this.#btf.error(`Cannot print type ${id}: ${text.length} bytes`, id);
    return text;
  }

  /** @param qualifiers those met on the way, each with a space behind it */
  #declare(id: number, inner: string, qualifiers: string, indent: string): string {
    const type = this.#btf.type(id);
    switch (type.kind) {
      case "const":
      case "volatile":
      case "restrict":
        return this.#declare(type.type, inner, this.#qualify(type.kind, type.type, qualifiers), indent);
      case "type_tag":
        return this.#declare(type.type, inner, qualifiers, indent);
      case "pointer": {
        const pointer = `*${qualifiers}${inner}`;
        return this.#declare(type.type, this.#bindsTighter(type.type) ? `(${pointer})` : pointer, "", indent);
      }
      case "array":
        return this.#declare(type.type, `${inner}[${type.length}]`, qualifiers, indent);
      case "func_proto":
        return this.#declare(type.returnType, `${inner}(${this.#parameters(type, indent)})`, "", indent);
      default:
        return joined(`${qualifiers}${this.specifier(id, indent)}`, inner);
    }
  }

  /** `restrict` is for pointers alone, and a function is never qualified. */
  #qualify(kind: string, target: number, qualifiers: string): string {
    const resolved = this.#btf.kind(this.#btf.resolve(target));
    if (resolved === "func_proto" || (kind === "restrict" && resolved !== "pointer")) return qualifiers;
    return qualifiers.includes(kind) ? qualifiers : `${qualifiers}${kind} `;
  }

  /** Whether what a pointer points to is written behind the name. */
  #bindsTighter(id: number): boolean {
    let current = id;
    for (let depth = 0; depth < MAX_DEPTH; depth++) {
      const type = this.#btf.type(current);
      if (type.kind === "array" || type.kind === "func_proto") return true;
      if (type.kind !== "const" && type.kind !== "volatile" && type.kind !== "restrict" && type.kind !== "type_tag") {
        return false;
      }
      current = type.type;
    }
    return false;
  }

  #parameters({ params }: BtfFuncProto, indent: string): string {
    if (params.length === 0) return "void";
    return params
      .map(({ name, type }, i) => {
        if (type === 0 && name === "" && i === params.length - 1) return "...";
        return this.declare(type, name, indent);
      })
      .join(", ");
  }

  /** What a declaration begins with: `unsigned int`, `struct x`, or a definition where there is no name. */
  specifier(id: number, indent: string): string {
    const type = this.#btf.type(id);
    switch (type.kind) {
      case "void":
        return "void";
      case "int":
      case "float":
        return type.name;
      case "typedef":
        return this.#names.of(id);
      case "fwd":
        return `${keyword(type)} ${this.#names.of(id)}`;
      case "struct":
      case "union":
        return type.name === "" ? this.#body(type, "", indent) : `${keyword(type)} ${this.#names.of(id)}`;
      case "enum":
      case "enum64":
        return type.name === "" ? this.#anonymousEnum(id, type) : `enum ${this.#names.of(id)}`;
      default:
        throw this.#btf.error(`Cannot print type ${id}: a ${type.kind} is no type of C`, id);
    }
  }

  /** The definition of a struct, union or enum that has a name. */
  definition(id: number): string {
    const type = this.#btf.type(id);
    if (type.kind === "struct" || type.kind === "union") return this.#body(type, this.#names.of(id), "");
    if (type.kind === "enum" || type.kind === "enum64") return this.#values(type, this.#names.of(id));
    throw this.#btf.error(`Cannot define type ${id}: a ${type.kind} has no definition`, id);
  }

  #anonymousEnum(id: number, type: BtfEnum | BtfEnum64): string {
    if (!this.#printed.has(id)) {
      this.#printed.add(id);
      return this.#values(type, "");
    }
    return `${type.signed ? "" : "unsigned "}${INTEGERS[type.size] ?? "int"}`;
  }

  #body(type: BtfComposite, name: string, indent: string): string {
    if (type.members.length === 0 && type.size === 0) return `${joined(type.kind, name)} {}`;
    const { packed, members } = this.#layouts.layoutOf(type);
    const inner = `${indent}\t`;
    const lines = members.flatMap(({ padding, member }) => [
      ...padding,
      ...(member
        ? [`${this.declare(member.type, member.name, inner)}${member.bitSize ? `: ${member.bitSize}` : ""};`]
        : []),
    ]);
    const attribute = packed ? " __attribute__((packed))" : "";
    return `${joined(type.kind, name)} {\n${lines.map((line) => `${inner}${line}\n`).join("")}${indent}}${attribute}`;
  }

  #values(type: BtfEnum | BtfEnum64, name: string): string {
    const values = type.values.map((entry) => `\t${this.#names.enumerator(entry.name)} = ${literal(entry.value)},\n`);
    // C knows no enum without values.
    const body = values.length > 0 ? values.join("") : `\t${this.#names.enumerator(`__${name}_none`)} = 0,\n`;
    const mode = needsEightBytes(type) ? undefined : MODES[type.size];
    return `${joined("enum", name)} {\n${body}}${mode ? ` __attribute__((mode(${mode})))` : ""}`;
  }
}

const joined = (first: string, second: string): string => (second === "" ? first : `${first} ${second}`);

const INTEGERS: { readonly [size: number]: string } = { 1: "char", 2: "short", 4: "int", 8: "long long" };
/** GCC's machine modes, of enums that are not int's size. */
const MODES: { readonly [size: number]: string | undefined } = { 1: "QI", 2: "HI", 8: "DI" };

/** An enum with a value that no int holds is of eight bytes as it is, and unsigned where it can be. */
function needsEightBytes({ values }: BtfEnum | BtfEnum64): boolean {
  const negative = values.some(({ value }) => value < 0);
  return values.some(({ value }) => value < -(2 ** 31) || value >= (negative ? 2 ** 31 : 2 ** 32));
}

/** A value as C takes it: the smallest number of all cannot be written as one. */
function literal(value: number | bigint): string {
  if (value === -(2n ** 63n)) return "(-0x7fffffffffffffffLL - 1)";
  if (typeof value === "number" || (value >= -(2n ** 31n) && value < 2n ** 31n)) return String(value);
  return value < 0n ? `${value}LL` : `${value}ULL`;
}
