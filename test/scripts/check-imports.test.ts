import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkImports } from "../../scripts/check-imports.ts";

const roots: string[] = [];
afterAll(() => {
  for (const root of roots) rmSync(root, { recursive: true });
});

/** A source folder with these files, checked. */
async function check(files: Record<string, string>): Promise<string[]> {
  const root = mkdtempSync(join(tmpdir(), "imports-"));
  roots.push(root);
  for (const [path, text] of Object.entries(files)) await Bun.write(join(root, path), text);
  return checkImports(root);
}

test("imports to the left, within a folder and of built-in modules are fine", async () => {
  const breaches = await check({
    "cli/main.ts": `import { x } from "../index.ts"; import fs from "node:fs";`,
    "index.ts": `export * from "./map/map.ts"; export { parse } from "elf-loader";`,
    "map/map.ts": `import { A } from "elf-loader/uapi"; import { bpf } from "../sys/libc.ts"; import "./array.ts";`,
    "map/array.ts": `// import { x } from "../cli/main.ts"`,
    "sys/libc.ts": `import { dlopen } from "bun:ffi"; export const bpf = dlopen;`,
    "elf-loader/index.ts": `export { parse } from "./elf/file.ts";`,
    "elf-loader/elf/file.ts": `import { A } from "../uapi/index.ts"; import { E } from "../errors.ts";`,
    "elf-loader/uapi/index.ts": "export const A = 1;",
    "elf-loader/errors.ts": "export class E {}",
  });
  expect(breaches).toEqual([]);
});

const BREACHES: [string, Record<string, string>, string][] = [
  [
    "to the right",
    { "sys/a.ts": `import "../map/b.ts";`, "map/b.ts": "" },
    "sys/a.ts: imports ../map/b.ts: map is not left of sys",
  ],
  [
    "of a type to the right",
    { "sys/a.ts": `import type { B } from "../map/b.ts";`, "map/b.ts": "" },
    "map is not left of sys",
  ],
  [
    "over several lines",
    { "sys/a.ts": `import {\n  b,\n  c,\n} from "../map/b.ts";`, "map/b.ts": "" },
    "map is not left of sys",
  ],
  ["at run time", { "sys/a.ts": `await import("../map/b.ts");`, "map/b.ts": "" }, "map is not left of sys"],
  ["between neighbours", { "link/a.ts": `import "../events/b.ts";`, "events/b.ts": "" }, "events is not left of link"],
  ["by package name", { "elf-loader/elf/a.ts": `import "elf-loader";`, "elf-loader/index.ts": "" }, "is not left of"],
  ["of bun:ffi elsewhere", { "map/a.ts": `import { ptr } from "bun:ffi";` }, "map/a.ts: imports bun:ffi"],
  ["of the system in the pure half", { "elf-loader/elf/a.ts": `import fs from "node:fs";` }, "from outside elf-loader"],
  ["past index.ts", { "cli/main.ts": `import "../map/a.ts";`, "map/a.ts": "" }, "may only import index.ts"],
  ["from no layer", { "misc/a.ts": `import "../map/a.ts";`, "map/a.ts": "" }, "misc/a.ts: belongs to no layer"],
];

for (const [what, files, breach] of BREACHES)
  test(`an import ${what} is a breach`, async () => {
    expect((await check(files)).join("\n")).toContain(breach);
  });

test("a cycle of files is a breach", async () => {
  const breaches = await check({ "map/a.ts": `import "./b.ts";`, "map/b.ts": `import type { A } from "./a.ts";` });
  expect(breaches).toEqual(["map/a.ts -> map/b.ts -> map/a.ts: a cycle"]);
});
