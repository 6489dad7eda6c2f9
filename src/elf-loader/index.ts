/** Package "elf-loader": the bytes of an eBPF object to linked bytecode, without looking at the running system. */

export { Memory } from "./bytes/memory.ts";
export * from "./errors.ts";
export type { ExtInfo, LinkedProgram, MapSpec } from "./spec/types.ts";

import type { Memory } from "./bytes/memory.ts";
import type { LinkedProgram, MapSpec } from "./spec/types.ts";

export declare class ProgramSpec {
  readonly name: string;
  readonly section: string;
  type: number;
  expectedAttachType: number;
  flags: number;
  hook: string;
  target?: string | undefined;
  autoload: boolean;
}
export declare class Globals {
  names(): string[];
  has(name: string): boolean;
  get(name: string): unknown;
  set(name: string, value: unknown): void;
}
export declare class ObjectSpec {
  name: string;
  readonly byteOrder: "little" | "big";
  license: string;
  kernelVersion?: number | undefined;
  readonly maps: Map<string, MapSpec>;
  readonly programs: Map<string, ProgramSpec>;
  readonly globals: Globals;
  readonly btf?: Btf | undefined;
  copy(): ObjectSpec;
}
export interface BtfMember {
  readonly name: string;
  readonly type: number;
  /** Bits from the start of the struct. */
  readonly bitOffset: number;
  /** Width in bits of a bit-field, 0 of a plain member. */
  readonly bitSize: number;
}
export type BtfType =
  | { readonly kind: "void" }
  | {
      readonly kind: "int";
      readonly name: string;
      readonly size: number;
      readonly signed: boolean;
      readonly char: boolean;
      readonly bool: boolean;
      readonly bitOffset: number;
      readonly bits: number;
    }
  | { readonly kind: "pointer" | "const" | "volatile" | "restrict"; readonly type: number }
  | { readonly kind: "typedef" | "type_tag"; readonly name: string; readonly type: number }
  | { readonly kind: "array"; readonly type: number; readonly indexType: number; readonly length: number }
  | {
      readonly kind: "struct" | "union";
      readonly name: string;
      readonly size: number;
      readonly members: readonly BtfMember[];
    }
  | {
      readonly kind: "enum";
      readonly name: string;
      readonly size: number;
      readonly signed: boolean;
      readonly values: readonly { readonly name: string; readonly value: number }[];
    }
  | {
      readonly kind: "enum64";
      readonly name: string;
      readonly size: number;
      readonly signed: boolean;
      readonly values: readonly { readonly name: string; readonly value: bigint }[];
    }
  | { readonly kind: "fwd"; readonly name: string; readonly union: boolean }
  | { readonly kind: "func"; readonly name: string; readonly type: number; readonly linkage: number }
  | {
      readonly kind: "func_proto";
      readonly returnType: number;
      readonly params: readonly { readonly name: string; readonly type: number }[];
    }
  | { readonly kind: "var"; readonly name: string; readonly type: number; readonly linkage: number }
  | {
      readonly kind: "datasec";
      readonly name: string;
      readonly size: number;
      readonly vars: readonly { readonly type: number; readonly offset: number; readonly size: number }[];
    }
  | { readonly kind: "float"; readonly name: string; readonly size: number }
  | { readonly kind: "decl_tag"; readonly name: string; readonly type: number; readonly component: number };
export declare class Btf {
  static parse(bytes: Uint8Array): Btf;
  readonly typeCount: number;
  type(id: number): BtfType;
  findByName(name: string, kind?: BtfType["kind"]): number;
  sizeOf(id: number): number;
  resolve(id: number): number;
  encode(): Uint8Array;
}
export type Decoder<T = unknown> = (memory: Memory, offset: number) => T;
export declare function compileDecoder<T = unknown>(
  btf: Btf,
  typeId: number,
  options?: { bigint?: boolean },
): Decoder<T>;
export declare function compileEncoder(btf: Btf, typeId: number): (value: unknown) => Uint8Array;
export declare function parseObject(bytes: Uint8Array, name?: string): ObjectSpec;
export declare function linkProgram(spec: ObjectSpec, program: string, mapFd: (map: string) => number): LinkedProgram;
export declare function kernelBtf(spec: ObjectSpec): Uint8Array | undefined;
/** The name a map has in the kernel, 15 bytes at most. */
export declare function kernelMapName(spec: ObjectSpec, map: MapSpec): string;
export declare function isEscapedByte(codeUnit: number): boolean;
export declare function stringToBytes(text: string): Uint8Array;
