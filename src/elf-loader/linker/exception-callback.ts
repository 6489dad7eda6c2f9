/**
 * The function that the kernel calls when a program throws (bpf_throw, 6.7): a tag on the program names it, and as no
 * instruction does, the linker must put it behind the program. Source: bpf_prog_find_exception_cb and
 * bpf_object__relocate in libbpf's libbpf.c; the kernel finds it by the same tag.
 */
import type { Btf } from "../btf/btf.ts";
import { ObjectError } from "../errors.ts";
import type { BpfFunction } from "../spec/image.ts";
import type { ObjectSpec } from "../spec/object-spec.ts";
import { STB_LOCAL } from "../uapi/elf.ts";

const TAG = "exception_callback:";

/**
 * The callback of a program, undefined where it has none or the kernel would not find it.
 *
 * @param knowsTags whether the kernel reads tags (5.16); asked only of a program that has one
 * @throws ObjectError where it names no global function
 */
export function exceptionCallback(
  spec: ObjectSpec,
  entry: BpfFunction,
  knowsTags: () => boolean,
): BpfFunction | undefined {
  const name = spec.btf && taggedName(spec.btf, entry.name);
  if (name === undefined || !knowsTags()) return undefined;
  for (const functions of spec.image.functions.values()) {
    const found = functions.find((fn) => fn.name === name && fn.symbol.binding !== STB_LOCAL && !fn.entry);
    if (found) return found;
  }
  throw new ObjectError(
    `Cannot link program ${entry.name}: its exception callback ${name} is no global function`,
    ".BTF",
    0,
  );
}

function taggedName(btf: Btf, program: string): string | undefined {
  for (const id of btf.idsOf("decl_tag")) {
    const tag = btf.type(id);
    if (tag.kind !== "decl_tag" || tag.component !== -1 || !tag.name.startsWith(TAG)) continue;
    if (btf.kind(tag.type) === "func" && btf.nameOf(tag.type) === program) return tag.name.slice(TAG.length);
  }
  return undefined;
}
