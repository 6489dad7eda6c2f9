// hello-ebpf btf dump: what it prints clang takes, of an object and of the running kernel; what is no BTF it says.
import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { compileFixture, scratch } from "../elf-loader/compile.ts";

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
