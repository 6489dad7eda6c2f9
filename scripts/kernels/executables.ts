// The release's executables for machines and libcs that are not this one's, for the guests and the tests under musl.
//
// One of dist/ is taken where it is newer than all it is made from; otherwise it is built into build/targets/.

import { existsSync, mkdirSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { buildExecutable } from "../release/executables.ts";
import { TARGETS } from "../release/targets.ts";
import { ROOT } from "../suite.ts";

/** What an executable is made from. */
const INPUTS = [
  ...["src", "build/bpf", "package.json", "package-lock.json"],
  ...["scripts/build.ts", "scripts/template", "scripts/release"],
];

/** When the newest file at or below a path changed. */
function newest(path: string): number {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (!stats?.isDirectory()) return stats?.mtimeMs ?? 0;
  return Math.max(0, ...readdirSync(path).map((name) => newest(join(path, name))));
}

/** The path of hello-ebpf-NAME. Throws where its Bun cannot be had. */
export function releasedExecutable(name: string): string {
  const target = TARGETS.find((known) => known.name === name);
  if (!target) throw new Error(`Cannot build for ${name}: there are ${TARGETS.map((known) => known.name).join(", ")}`);
  const changed = Math.max(...INPUTS.map((input) => newest(join(ROOT, input))));
  const folders = ["dist", "build/targets"].map((folder) => join(ROOT, folder));
  for (const folder of folders) {
    const path = join(folder, `hello-ebpf-${name}`);
    if (existsSync(path) && statSync(path).mtimeMs > changed) return path;
  }
  const folder = join(ROOT, "build/targets");
  mkdirSync(folder, { recursive: true });
  return buildExecutable(target, folder);
}
