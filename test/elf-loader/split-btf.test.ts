// BTF of a module: ids and names go on where those of the kernel's end, and CO-RE looks into it for what the kernel lacks.
import { expect, test } from "bun:test";
import { Btf, compileDecoder, Memory, ObjectError, parseObject, relocate } from "elf-loader";
import { fixture } from "./compile.ts";
import { inner, kernel, moduleBytes } from "./module-types.ts";

const module = Btf.parse(moduleBytes(), "module", kernel);
const first = kernel.typeCount;

test("ids and names continue the kernel's", () => {
  expect(module.typeCount).toBe(first + 3);
  expect(module.type(first)).toEqual({
    ...{ kind: "struct", name: "not_there", size: 12 },
    members: [
      { name: "inner", type: inner, bitOffset: 0, bitSize: 0 },
      { name: "x", type: kernel.findByName("int", "int"), bitOffset: 64, bitSize: 0 },
    ],
  });
  expect(module.type(inner)).toEqual(kernel.type(inner));
  expect([module.nameOf(first + 1), module.nameOf(inner)]).toEqual(["second_alias", "inner"]);
  expect(module.resolve(first + 1)).toBe(inner);
  expect([module.sizeOf(first + 1), module.sizeOf(first + 2)]).toEqual([8, 4]);
  expect(module.findByName("not_there")).toBe(first);
  expect(module.findByName("inner", "struct")).toBe(inner);
  expect(kernel.findByName("not_there")).toBe(0);
  expect(module.findAll(["not_there", "inner", "lone"], new Set(["struct", "var"] as const))).toEqual(
    new Map([
      ["not_there", [first]],
      ["inner", []],
      ["lone", [first + 2]],
    ]),
  );
  expect(module.findAll(["lone"], new Set(["struct"] as const))).toEqual(new Map([["lone", []]]));
  expect([...module.idsOf("struct")]).toEqual([first]);
});

test("values of a module's types are decoded with those of the kernel in them", () => {
  const bytes = new Uint8Array(12);
  new DataView(bytes.buffer).setInt32(4, -5, true);
  new DataView(bytes.buffer).setInt32(8, 77, true);
  expect(compileDecoder(module, first)(Memory.from(bytes), 0)).toEqual({ inner: { pad: 0, value: -5 }, x: 77 });
});

test("what lies beyond it is an error that names it", () => {
  for (const id of [first + 3, 2 ** 31]) {
    try {
      module.type(id);
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(ObjectError);
      expect((error as ObjectError).section).toBe("module");
    }
  }
  const bytes = moduleBytes();
  expect(() => Btf.parse(bytes.subarray(0, bytes.length - 1), "module", kernel)).toThrow(ObjectError);
});

test("CO-RE finds in a module what the kernel lacks, and looks there for nothing else", () => {
  const spec = parseObject(fixture("core_local"));
  for (const program of spec.programs.values()) program.autoload = program.name === "types";
  let asked = 0;
  const targets = {
    vmlinux: () => kernel,
    modules: () => {
      asked++;
      return [module];
    },
  };
  const sizes = (of: typeof targets) =>
    [...(relocate(spec, of).get("socket")?.values() ?? [])].flatMap(({ explain, target }) =>
      explain().what === "size of struct not_there" ? [target?.value] : [],
    );
  expect(sizes(targets)).toEqual([12n]);
  expect(asked).toBe(1);
  expect(sizes({ ...targets, modules: () => [] })).toEqual([0n]);
  for (const program of spec.programs.values()) program.autoload = program.name === "fields";
  relocate(spec, targets);
  expect(asked).toBe(1);
});
