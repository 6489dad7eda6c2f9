/** BTF types as a discriminated union: Documentation/bpf/btf.rst, linux/btf.h. References are type ids, 0 is void. */

export interface BtfVoid {
  readonly kind: "void";
}

export interface BtfInt {
  readonly kind: "int";
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  readonly signed: boolean;
  readonly char: boolean;
  readonly bool: boolean;
  /** Bits from the start of the storage to the value, nearly always 0. */
  readonly bitOffset: number;
  /** Width in bits, nearly always 8 * size. */
  readonly bits: number;
}

export interface BtfReference {
  readonly kind: "pointer" | "const" | "volatile" | "restrict";
  readonly type: number;
}

export interface BtfNamedReference {
  readonly kind: "typedef" | "type_tag";
  readonly name: string;
  readonly type: number;
}

export interface BtfArray {
  readonly kind: "array";
  /** The element's type. */
  readonly type: number;
  readonly indexType: number;
  readonly length: number;
}

export interface BtfMember {
  /** Empty for an anonymous struct or union. */
  readonly name: string;
  readonly type: number;
  /** Bits from the start of the struct; in a big-endian object counted from the most significant bit. */
  readonly bitOffset: number;
  /** Width in bits of a bit-field, 0 of a plain member. */
  readonly bitSize: number;
}

export interface BtfComposite {
  readonly kind: "struct" | "union";
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  readonly members: readonly BtfMember[];
}

export interface BtfEnum {
  readonly kind: "enum";
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  readonly signed: boolean;
  readonly values: readonly { readonly name: string; readonly value: number }[];
}

/** Since kernel 6.0. */
export interface BtfEnum64 {
  readonly kind: "enum64";
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  readonly signed: boolean;
  readonly values: readonly { readonly name: string; readonly value: bigint }[];
}

export interface BtfForward {
  readonly kind: "fwd";
  readonly name: string;
  /** Whether it announces a union rather than a struct. */
  readonly union: boolean;
}

export interface BtfFunc {
  readonly kind: "func";
  readonly name: string;
  /** Its func_proto. */
  readonly type: number;
  /** BTF_FUNC_STATIC, BTF_FUNC_GLOBAL or BTF_FUNC_EXTERN. */
  readonly linkage: number;
}

export interface BtfFuncProto {
  readonly kind: "func_proto";
  readonly returnType: number;
  /** A last parameter without name and of type 0 means "...". */
  readonly params: readonly { readonly name: string; readonly type: number }[];
}

export interface BtfVar {
  readonly kind: "var";
  readonly name: string;
  readonly type: number;
  /** BTF_VAR_STATIC, BTF_VAR_GLOBAL_ALLOCATED or BTF_VAR_GLOBAL_EXTERN. */
  readonly linkage: number;
}

export interface BtfDatasec {
  readonly kind: "datasec";
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** Each of a `var`, with its bytes from the start of the section and its size in bytes. */
  readonly vars: readonly { readonly type: number; readonly offset: number; readonly size: number }[];
}

/** Since kernel 5.13. */
export interface BtfFloat {
  readonly kind: "float";
  readonly name: string;
  /** Bytes: 2, 4, 8, 12 or 16. */
  readonly size: number;
}

/** Since kernel 5.16. */
export interface BtfDeclTag {
  readonly kind: "decl_tag";
  readonly name: string;
  readonly type: number;
  /** Index of the member or parameter it is on, -1 for the whole. */
  readonly component: number;
}

export type BtfType =
  | BtfVoid
  | BtfInt
  | BtfReference
  | BtfNamedReference
  | BtfArray
  | BtfComposite
  | BtfEnum
  | BtfEnum64
  | BtfForward
  | BtfFunc
  | BtfFuncProto
  | BtfVar
  | BtfDatasec
  | BtfFloat
  | BtfDeclTag;

export type BtfKind = BtfType["kind"];
