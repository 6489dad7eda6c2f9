// A struct of functions as the kernel has it: found in a module's types where the kernel's own have none, laid out there.

import { expect, test } from "bun:test";
import { Btf, parseObject } from "elf-loader";
import { BTF_KIND_STRUCT } from "elf-loader/uapi";
import { writeSections } from "../../src/elf-loader/btf/blob.ts";
import { typeInfo } from "../../src/elf-loader/btf/builder.ts";
import type { MapSpec } from "../../src/index.ts";
import { firstStruct, layOut } from "../../src/map/kernel-struct.ts";
import { fixture } from "../elf-loader/compile.ts";

const NAME = "tcp_congestion_ops";
const object = parseObject(fixture("hooks_struct_ops"));
/** The object's own types stand for the kernel's: they have the struct, but nothing that wraps it. */
const kernel = object.btf as Btf;
const plain = object.maps.get("plain") as MapSpec;
const AT = 64;

/** struct bpf_struct_ops_NAME { int state; struct NAME data; }; the data in a cache line of its own. */
function moduleTypes(name: string): Btf {
  const strings = new TextEncoder().encode(`bpf_struct_ops_${name}\0state\0data\0`);
  const at = (text: string) => kernel.stringsEnd + new TextDecoder().decode(strings).indexOf(`${text}\0`);
  const [int, struct] = [kernel.findByName("int", "int"), kernel.findByName(NAME, "struct")];
  const words = Int32Array.of(
    ...[at(`bpf_struct_ops_${name}`), typeInfo(BTF_KIND_STRUCT, 2), 2 * AT],
    ...[at("state"), int, 0, at("data"), struct, AT * 8],
  );
  return Btf.parse(writeSections({ words, strings }, true), `module_of_${name}`, kernel);
}

test("operations of a module are found behind the kernel's own, in the first module that has them", () => {
  expect(firstStruct(NAME, kernel, [])).toBeUndefined();
  const found = firstStruct(NAME, kernel, [moduleTypes("others"), moduleTypes(NAME), moduleTypes(NAME)]);
  expect(found).toMatchObject({ module: `module_of_${NAME}`, at: AT, size: 2 * AT });
  expect(found?.id).toBe(kernel.findByName(NAME, "struct"));
  expect(found?.valueId).toBeGreaterThanOrEqual(kernel.typeCount);
});

test("the value is the struct where the kernel has it, with slots for its programs", () => {
  const found = firstStruct(NAME, kernel, [moduleTypes(NAME)]);
  if (!found) throw new Error("not found");
  const { contents, slots } = layOut(plain, kernel, found);
  expect(contents.subarray(AT, AT + 11)).toEqual(new TextEncoder().encode("hello_plain"));
  const moved = (plain.slots ?? []).map(({ index, name }) => ({ index: index + AT / 8, name }));
  const byIndex = (list: typeof moved) => list.toSorted((a, b) => a.index - b.index);
  expect(byIndex([...slots])).toEqual(byIndex(moved));
});
