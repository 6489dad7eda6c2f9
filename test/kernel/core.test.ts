// CO-RE on a real kernel: fixtures relocated against another object's types return the line of the first wrong value,
// and against the kernel's own types read what helpers say; what is missing is named in the verifier's refusal.

import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { relocate } from "elf-loader";
import { type BpfError, BpfObject, type Btf, ObjectError, parseObject, VerifierError } from "../../src/index.ts";
import { fixture, load, objectBytes, PACKET, ROOT, thrownBy } from "./lib-support.ts";

const target = parseObject(objectBytes("core_target"), "core_target");
const types = target.btf as Btf;

/** Where a variable is in its section. */
function bytesOf(name: string, section: string): Uint8Array {
  const datasec = types.type(types.findByName(section, "datasec"));
  const entry = datasec.kind === "datasec" && datasec.vars.find(({ type }) => types.nameOf(type) === name);
  if (!entry) throw new Error(`No variable ${name} in ${section}`);
  return target.maps.get(section)?.contents?.subarray(entry.offset) as Uint8Array;
}

/** Programs of the fixture, with the sample and what the target's compiler said of it. */
function prepared(...programs: string[]) {
  const spec = fixture("core_local", ...programs);
  const sample = [...bytesOf("sample", ".data")];
  spec.globals.set(
    "sample",
    Array.from({ length: 512 }, (_, i) => sample[i] ?? 0),
  );
  spec.globals.set("want", {
    ...(target.globals.get("want") as object),
    inner_id: types.findByName("inner", "struct"),
  });
  return spec;
}

const PROGRAMS = ["fields", "field_facts", "bit_fields", "types", "enumerators", "unreached"];

test("every kind of relocation gives what the target's compiler says", () => {
  using object = BpfObject.load(prepared(...PROGRAMS), { btf: types });
  const wrongLines = Object.fromEntries(PROGRAMS.map((name) => [name, object.program(name).testRun(PACKET).retval]));
  expect(wrongLines).toEqual(Object.fromEntries(PROGRAMS.map((name) => [name, 0])));
});

/** The refusal of one program. */
const refusal = (program: string) => thrownBy(() => BpfObject.load(prepared(program), { btf: types })) as BpfError;

/** The line of the fixture's source with this text. */
const lineOf = (text: string) =>
  1 +
  readFileSync(join(ROOT, "test/fixtures/core_local.bpf.c"), "utf8")
    .split("\n")
    .findIndex((line) => line.includes(text));

test("what the kernel lacks is named where the verifier gets to it, never numbered", () => {
  const field = refusal("missing_field");
  expect(field).toBeInstanceOf(VerifierError);
  expect(field.message).toBe(
    "Cannot load program missing_field: it needs the offset of field struct shape___old.gone " +
      `(core_local.bpf.c:${lineOf("the line that is told")}): the BTF of ${types.name} has no match for it`,
  );
  expect(refusal("missing_enumerator").message).toContain("value of enumerator enum color___old::YELLOW___old");
  expect(refusal("misread").message).toContain("field struct shape___with_other_types.narrowed");
  for (const program of ["missing_field", "missing_enumerator", "misread"]) {
    const { message, log = "" } = refusal(program);
    expect(log).toContain("unresolved");
    expect(message + log).not.toMatch(/195896080|0xbad2310/i);
  }
});

test("candidates that disagree are an error of the object", () => {
  const error = refusal("ambiguous");
  expect(error).toBeInstanceOf(ObjectError);
  expect(error.message).toMatch(
    /^Cannot relocate function ambiguous \(core_local\.bpf\.c:\d+\): offset of field struct disagree\.x: it is ambiguous/,
  );
});

test("against the running kernel: its tasks are read as helpers see them", () => {
  using object = load("core_kernel", "own_task");
  expect(object.program("own_task").testRun(undefined, 0).retval).toBe(0);
  expect((thrownBy(() => load("core_kernel", "missing")) as BpfError).message).toMatch(
    /needs the offset of field struct task_struct___mine\.no_kernel_has_this \(core_kernel\.bpf\.c:\d+\): the BTF of vmlinux has no match for it$/,
  );
});

test("an object without relocations is loaded without a look at the kernel's types", () => {
  const nobody = { vmlinux: () => expect.unreachable(), modules: () => expect.unreachable() };
  expect(relocate(fixture("lib_plain"), nobody).size).toBe(0);
  // Of several programs only those to be loaded count.
  const spec = fixture("core_kernel", "none of them");
  expect(relocate(spec, nobody).size).toBe(0);
});
