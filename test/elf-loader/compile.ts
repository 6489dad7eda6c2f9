// Compiles fixtures in the variants that the build does not make: either byte order, with and without BTF. Each once a
// process, in a folder of its own that goes with it.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const FIXTURES = join(import.meta.dir, "../fixtures");
const FLAGS = ["-mcpu=v3", "-O2", "-Wall", "-Werror", "-idirafter", "/usr/include/x86_64-linux-gnu"];
const folder = mkdtempSync(join(tmpdir(), "elf-loader-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

export interface Variant {
  readonly target?: "bpf" | "bpfeb";
  /** Debug information, and BTF with it. */
  readonly debug?: boolean;
}

const known = new Map<string, string>();

/** Path of a compiled fixture. */
export function compileFixture(name: string, { target = "bpf", debug = true }: Variant = {}): string {
  const key = `${name}-${target}-${debug}.o`;
  const path = known.get(key) ?? join(folder, key);
  if (known.has(key)) return path;
  const flags = ["-target", target, ...(debug ? ["-g"] : []), ...FLAGS];
  execFileSync("clang-19", [...flags, "-c", join(FIXTURES, `${name}.bpf.c`), "-o", path]);
  known.set(key, path);
  return path;
}

/** Bytes of a compiled fixture. */
export const fixture = (name: string, variant?: Variant): Uint8Array =>
  new Uint8Array(readFileSync(compileFixture(name, variant)));

/** Bytes of an object compiled from C, behind bpf_helpers.h. */
export function compiled(source: string): Uint8Array {
  const path = join(folder, "source.o");
  const input = `#include <linux/bpf.h>\n#include <bpf/bpf_helpers.h>\n${source}`;
  execFileSync("clang-19", ["-target", "bpf", "-g", ...FLAGS, "-xc", "-c", "-", "-o", path], { input });
  return new Uint8Array(readFileSync(path));
}

/** Compiles a fixture for this machine with -DNATIVE, runs it and returns what it prints, word pairs by line. */
export function runNatively(name: string): Map<string, bigint> {
  const path = join(folder, name);
  execFileSync("clang-19", ["-DNATIVE", "-O1", join(FIXTURES, `${name}.bpf.c`), "-o", path]);
  const lines = execFileSync(path, { encoding: "utf8" }).trim().split("\n");
  return new Map(lines.map((line) => [line.split(" ")[0] ?? "", BigInt(line.split(" ")[1] ?? "")]));
}

/** What a tool prints as JSON. */
export function json<T>(command: string, ...args: string[]): T {
  return JSON.parse(execFileSync(command, args, { encoding: "utf8", maxBuffer: 1 << 28 })) as T;
}

/** A path in the folder of this process. */
export const scratch = (name: string): string => join(folder, name);
