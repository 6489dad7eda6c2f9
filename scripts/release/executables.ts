// The executable of each target: the same sources, compiled onto the target's own hardened Bun.
//
// The same checkout gives the same bytes, wherever it lies and whenever it is built: bun build keeps neither paths nor
// times. The eBPF objects are compiled once and are the same in all four: they are little-endian bytecode, and what
// differs between machines (the saved register that tells a 32-bit task) user space writes into .rodata.

import { chmodSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { compileArguments, ENTRIES, run } from "../build.ts";
import { buildBpf } from "../build-bpf.ts";
import type { Target } from "./targets.ts";
import { templateFor } from "./templates.ts";

/** Compiles one target onto a template. Throws with bun's words. */
function compile(target: Target, template: string, output: string): void {
  run([process.execPath, ...compileArguments(ENTRIES, output, template), `--target=${target.target}`]);
}

/** Makes hello-ebpf-NAME in a folder; answers its path. */
export function buildExecutable(target: Target, folder: string): string {
  const path = join(folder, `hello-ebpf-${target.name}`);
  const [template, temporary] = [`${path}.template`, `${path}.new`];
  try {
    writeFileSync(template, templateFor(target));
    chmodSync(template, 0o755);
    compile(target, template, temporary);
    chmodSync(temporary, 0o755);
    renameSync(temporary, path);
    return path;
  } finally {
    for (const left of [template, temporary]) rmSync(left, { force: true });
  }
}

/** Makes the executables of these targets in a folder; answers their paths. */
export async function buildExecutables(targets: readonly Target[], folder: string): Promise<string[]> {
  await buildBpf(false);
  return targets.map((target) => buildExecutable(target, folder));
}
