// BTF as a header in C: clang takes it, and gives every struct, union and enum of it the size, members and bits it has.
import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { Btf, cHeader, ObjectError, parseObject } from "elf-loader";
import { expectSameLayout } from "./c-layout.ts";
import { fixture } from "./compile.ts";

const VMLINUX = "/sys/kernel/btf/vmlinux";

describe("the header of an object", () => {
  for (const name of ["constructs", "globals", "maps", "core_target", "tags", "layouts"]) {
    for (const target of ["bpf", "bpfeb"] as const) {
      test(`${name}, ${target}`, () => {
        const btf = parseObject(fixture(name, { target })).btf as Btf;
        expect(expectSameLayout(btf, `${name}-${target}`, target)).toBeGreaterThan(0);
      });
    }
  }
});

test.skipIf(!existsSync(VMLINUX))(
  "the header of the running kernel",
  () => {
    const btf = Btf.parse(new Uint8Array(readFileSync(VMLINUX)), "vmlinux");
    expect(expectSameLayout(btf, "vmlinux")).toBeGreaterThan(5000);
  },
  120_000,
);

test("a struct that contains itself is no type of C", () => {
  const btf = (parseObject(fixture("layouts")).btf as Btf).copy();
  const id = btf.findByName("plain", "struct");
  const firstMemberType = 3 + 1;
  btf.patch(id, firstMemberType, id);
  expect(() => [...cHeader(btf)]).toThrow(ObjectError);
});
