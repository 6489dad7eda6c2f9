// hello-ebpf btf dump of the running kernel's modules; files are in test/cli.

import { expect, setDefaultTimeout, test } from "bun:test";
import { existsSync } from "node:fs";
import { GUEST, hello, KERNEL, SLOWNESS } from "./support.ts";

setDefaultTimeout(10_000 + SLOWNESS * 5_000);

const MODULE = "veth";
const TYPES = `/sys/kernel/btf/${MODULE}`;

test("a guest that must have the types of a module has them", () => {
  expect(!GUEST || KERNEL === "5.10" || existsSync(TYPES)).toBe(true); // 5.11
});

// Emulated processors take ten seconds for it: in one guest.
const looked = existsSync(TYPES) && (!GUEST || KERNEL === "7");
test.skipIf(!looked)("the types of a loaded module, by its name, are those that bpftool finds", async () => {
  const bpftool = Bun.spawnSync(["bpftool", "-B", "/sys/kernel/btf/vmlinux", "btf", "dump", "file", TYPES]);
  const theirs = [...bpftool.stdout.toString().matchAll(/^\[\d+\] STRUCT '(\w+)' size=\d+ vlen=[1-9]/gm)];
  expect(theirs.length).toBeGreaterThan(0);
  const { status, stdout } = await hello(["btf", "dump", MODULE]);
  expect(status).toBe(0);
  for (const [, name] of theirs) expect(stdout).toContain(`\nstruct ${name} {\n`);
  expect(stdout).toContain("\nstruct net_device;\n"); // the kernel's own are named, not defined
});
