// A module's BTF, put together by hand on top of another object's.
import { type Btf, parseObject } from "elf-loader";
import { BTF_KIND_STRUCT, BTF_KIND_TYPEDEF, BTF_KIND_VAR } from "elf-loader/uapi";
import { writeSections } from "../../src/elf-loader/btf/blob.ts";
import { typeInfo } from "../../src/elf-loader/btf/builder.ts";
import { fixture } from "./compile.ts";

/** The kernel's types, of an object that stands for it. */
export const kernel = parseObject(fixture("core_target")).btf as Btf;
export const inner = kernel.findByName("inner", "struct");

/**
 * struct not_there { struct inner inner; int x; }; typedef struct inner second_alias; int lone;
 * The name `inner` is the kernel's own string.
 */
export function moduleBytes(): Uint8Array {
  const names = "not_there\0x\0second_alias\0lone\0";
  const at = (name: string) => kernel.stringsEnd + `\0${names}`.indexOf(`\0${name}\0`);
  const anInt = kernel.findByName("int", "int");
  const struct = [
    ...[at("not_there"), typeInfo(BTF_KIND_STRUCT, 2), 12],
    ...[kernel.nameOffsetOf(inner), inner, 0],
    ...[at("x"), anInt, 64],
  ];
  const typedef = [at("second_alias"), typeInfo(BTF_KIND_TYPEDEF), inner];
  const variable = [at("lone"), typeInfo(BTF_KIND_VAR), anInt, 1];
  const words = Int32Array.from([...struct, ...typedef, ...variable]);
  return writeSections({ words, strings: new TextEncoder().encode(names) }, true);
}
