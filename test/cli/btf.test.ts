// hello-ebpf btf dump: what it prints clang takes, of an object and of the running kernel; what is no BTF it says.
import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { appendFileSync, existsSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { compileFixture, scratch } from "../elf-loader/compile.ts";
import { kernel, moduleBytes } from "../elf-loader/module-types.ts";

const MAIN = join(import.meta.dir, "../../src/cli/main.ts");
const run = (...args: string[]) =>
  spawnSync(process.execPath, [MAIN, ...args], { encoding: "utf8", maxBuffer: 1 << 26 });

const clangTakes = (header: string) =>
  spawnSync("clang-19", ["-target", "bpf", "-Wall", "-Werror", "-fsyntax-only", "-xc", "-"], { input: header })
    .status === 0;

test("the header of an object", () => {
  const { stdout, status } = run("btf", "dump", compileFixture("layouts"));
  expect(status).toBe(0);
  expect(stdout).toContain("struct packed_bits {");
  expect(clangTakes(stdout)).toBe(true);
});

test.skipIf(!existsSync("/sys/kernel/btf/vmlinux"))(
  "the header of the running kernel",
  () => {
    const { stdout, status } = run("btf", "dump", "vmlinux");
    expect(status).toBe(0);
    expect(stdout).toContain("struct task_struct {");
    expect(clangTakes(stdout)).toBe(true);
  },
  60_000,
);

test("types of a module's file, with what they continue", () => {
  const [module, kernelTypes] = [scratch("module.btf"), scratch("kernel.btf")];
  writeFileSync(module, moduleBytes());
  writeFileSync(kernelTypes, kernel.encode());
  const { stdout, status } = run("btf", "dump", module, "--base", kernelTypes);
  expect(status).toBe(0);
  expect(stdout).toContain("struct not_there {\n\tstruct inner inner;");
  expect(clangTakes(stdout)).toBe(true);
  const alone = run("btf", "dump", module);
  expect([alone.status, alone.stdout]).toEqual([5, ""]);
  expect(alone.stderr).toContain("its names continue others");
  const nobody = run("btf", "dump", "no_such_module");
  expect([nobody.status, nobody.stdout]).toEqual([1, ""]);
  expect(nobody.stderr).toMatch(
    /^hello-ebpf: Cannot find types of no_such_module: [^\n]*no module of that name[^\n]*\n$/,
  );
});

test("a vmlinux of half a gigabyte is not read whole", () => {
  const [path, section] = [scratch("vmlinux"), scratch("vmlinux.btf")];
  writeFileSync(section, kernel.encode());
  spawnSync("clang-19", ["-shared", "-nostdlib", "-xc", "/dev/null", "-o", path]);
  spawnSync("llvm-objcopy-19", [`--add-section=.BTF=${section}`, path]);
  const bytes = readFileSync(path);
  const table = Number(bytes.readBigUInt64LE(40)); // e_shoff
  bytes.writeBigUInt64LE(BigInt(2 ** 29), 40);
  writeFileSync(path, bytes);
  truncateSync(path, 2 ** 29);
  appendFileSync(path, bytes.subarray(table));
  const { stdout, status, stderr } = run("btf", "dump", path);
  expect([status, stderr]).toEqual([0, ""]);
  expect(stdout).toContain("struct shape {");
});

test("what is no BTF, no file, no action is said in one line", () => {
  const path = scratch("no.btf");
  writeFileSync(path, "nothing of the kind");
  for (const [args, status] of [
    [["btf", "dump", path], 5],
    [["btf", "dump", scratch("not there")], 1],
    [["btf", "print", path], 2],
    [["btf", "dump"], 2],
  ] as const) {
    const result = run(...args);
    expect([args[1], result.stdout, result.stderr.trim().split("\n").length]).toEqual([args[1] as string, "", 1]);
    expect(result.status).toBe(status);
  }
});
