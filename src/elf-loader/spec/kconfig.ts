/**
 * Values of the kernel's configuration for the variables of `.kconfig`: text of a line CONFIG_NAME=VALUE to bytes, by
 * the variable's type. Source: set_kcfg_value_tri, _str and _num in libbpf's libbpf.c; Documentation/kbuild/kconfig-language.rst.
 */
import type { Btf } from "../btf/btf.ts";
import type { BtfType } from "../btf/types.ts";
import { stringToBytes } from "../bytes/text.ts";
import { ObjectError } from "../errors.ts";
import { type ExternSpec, KCONFIG } from "./externs.ts";

type ConfigKind = "bool" | "tristate" | "char" | "int" | "text";

function kindOf(btf: Btf, type: BtfType): ConfigKind | undefined {
  if (type.kind === "int") {
    if (type.bool) return type.size === 1 ? "bool" : undefined;
    if (type.size === 1) return "char";
    return [2, 4, 8].includes(type.size) ? "int" : undefined;
  }
  if (type.kind === "enum" || type.kind === "enum64") return type.name === TRISTATE ? "tristate" : undefined;
  if (type.kind !== "array" || type.length === 0) return undefined;
  return kindOf(btf, btf.resolved(type.type)) === "char" ? "text" : undefined;
}

const TRISTATE = "libbpf_tristate";
/** enum libbpf_tristate of bpf_helpers.h, by letter. */
const TRISTATES: { readonly [letter: string]: number } = { n: 0, y: 1, m: 2 };

/** Writes values into the bytes of `.kconfig`, each where its variable is. */
export class KconfigWriter {
  readonly #btf: Btf;
  readonly #bytes: Uint8Array;

  constructor(btf: Btf, bytes: Uint8Array) {
    this.#btf = btf;
    this.#bytes = bytes;
  }

  /** @param text what stands behind the `=` @throws ObjectError where it is none of the variable's values */
  setText(extern: ExternSpec, text: string): void {
    const kind = this.#kind(extern);
    const letter = /^[ynm]/.exec(text)?.[0];
    if (letter) this.#setLetter(extern, kind, letter);
    else if (text.startsWith('"')) this.#setString(extern, kind, text);
    else if (kind === "int" || kind === "char") this.#setNumber(extern, parseNumber(extern, text));
    else throw fail(extern, `${text} is no ${kind}`);
  }

  /** A value that no configuration has: the kernel's version, whether it can do something. */
  setNumber(extern: ExternSpec, value: bigint): void {
    const kind = this.#kind(extern);
    if (kind === "text" || kind === "tristate") throw fail(extern, `${value} is no ${kind}`);
    if (kind === "bool" && value > 1n) throw fail(extern, `${value} is no bool`);
    this.#setNumber(extern, value);
  }

  #kind(extern: ExternSpec): ConfigKind {
    const kind = extern.kind === "variable" ? kindOf(this.#btf, this.#btf.type(extern.type)) : undefined;
    if (!kind) throw fail(extern, "its type is none of a configuration value");
    return kind;
  }

  #setLetter(extern: ExternSpec, kind: ConfigKind, letter: string): void {
    if (kind === "int" || kind === "text" || (kind === "bool" && letter === "m")) {
      throw fail(extern, `${letter} is no ${kind}`);
    }
    this.#write(extern, BigInt(kind === "char" ? letter.charCodeAt(0) : (TRISTATES[letter] ?? 0)));
  }

  /** Text too long for its array is cut, as libbpf does. */
  #setString(extern: ExternSpec, kind: ConfigKind, text: string): void {
    if (kind !== "text" || text.length < 2 || !text.endsWith('"')) throw fail(extern, `${text} is no ${kind}`);
    const room = this.#btf.sizeOf(extern.type) - 1;
    this.#bytes.set(stringToBytes(text.slice(1, -1)).subarray(0, room), extern.offset);
  }

  #setNumber(extern: ExternSpec, value: bigint): void {
    const type = this.#btf.type(extern.type);
    const bits = this.#btf.sizeOf(extern.type) * 8;
    const signed = type.kind === "int" && type.signed;
    const fits = signed
      ? BigInt.asIntN(bits, value) === BigInt.asIntN(64, value)
      : BigInt.asUintN(bits, value) === value;
    if (bits < 64 && !fits) throw fail(extern, `${value} does not fit into ${bits} bits`);
    this.#write(extern, value);
  }

  #write(extern: ExternSpec, value: bigint): void {
    const size = this.#btf.sizeOf(extern.type);
    for (let i = 0; i < size; i++) this.#bytes[extern.offset + i] = Number((value >> BigInt(i * 8)) & 0xffn);
  }
}

/** As strtoull(3) with base 0 reads it, modulo 2^64. */
function parseNumber(extern: ExternSpec, text: string): bigint {
  const match = /^([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9]\d*)$/.exec(text.trim());
  if (!match) throw fail(extern, `${text} is no number`);
  const [, sign, digits = "0"] = match;
  const octal = /^0[0-7]+$/.test(digits);
  const value = BigInt(octal ? `0o${digits}` : digits);
  return BigInt.asUintN(64, sign === "-" ? -value : value);
}

function fail(extern: ExternSpec, why: string): ObjectError {
  return new ObjectError(`Cannot set extern ${extern.name}: ${why}`, KCONFIG, extern.offset);
}
