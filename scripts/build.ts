// Builds ./hello-ebpf: eBPF objects, then one executable of the command line, the waiting worker and Bun itself.
//
// The executable is compiled onto a hardened copy of the pinned Bun (see template/), without autoloading of any
// file from the working directory. It is tried once and only then renamed into place, so that an interrupted or
// failed build leaves the one before.

import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { buildBpf } from "./build-bpf.ts";
import { harden } from "./template/harden.ts";

const ROOT = resolve(import.meta.dir, "..");
const EXECUTABLE = join(ROOT, "hello-ebpf");
const WORKER = "src/events/waiter-worker.ts";

/** Entry points of the executable: where it starts, and the worker, which must be named to be in it. */
export const ENTRIES = ["src/cli/main.ts", WORKER];

/** What a name beside src/ becomes inside the executable: bun build keeps the path below --root, as JavaScript. */
const embedded = (source: string) => `/$bunfs/root/${source.replace(/\.ts$/, ".js")}`;

/** Values put in place of globals at build time; the source asks for each with typeof. */
function defines(): Record<string, string> {
  const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  return { HELLO_EBPF_VERSION: version, HELLO_EBPF_WAITER_WORKER: embedded(WORKER) };
}

/** The hardened copy of Bun, made when Bun or the hardening has changed. Its path holds a hash of both. */
export function template(): string {
  const bun = readFileSync(process.execPath);
  const hash = createHash("sha256").update(bun);
  const recipe = join(import.meta.dir, "template");
  for (const file of readdirSync(recipe).sort()) hash.update(readFileSync(join(recipe, file)));
  const name = `bun-${hash.digest("hex").slice(0, 16)}`;
  const folder = join(ROOT, "build/template");
  const path = join(folder, name);
  if (existsSync(path)) return path;
  mkdirSync(folder, { recursive: true });
  for (const old of readdirSync(folder)) rmSync(join(folder, old), { force: true });
  writeFileSync(`${path}.${process.pid}`, harden(bun));
  chmodSync(`${path}.${process.pid}`, 0o755);
  renameSync(`${path}.${process.pid}`, path);
  return path;
}

/** bun build's arguments for an executable from entry points to a path. Never --compile-exec-argv: it revives BUN_OPTIONS. */
export function compileArguments(entries: readonly string[], output: string, onto: string): string[] {
  return [
    ...["build", "--compile", "--minify", "--bytecode", "--format=esm", "--root=."],
    ...["dotenv", "bunfig", "tsconfig", "package-json"].map((file) => `--no-compile-autoload-${file}`),
    ...Object.entries(defines()).flatMap(([name, value]) => ["--define", `${name}=${JSON.stringify(value)}`]),
    `--compile-executable-path=${onto}`,
    ...entries.map((entry) => `./${entry}`),
    `--outfile=${output}`,
  ];
}

/** Runs a command in the checkout; throws its words when it fails. */
export function run(command: string[]): string {
  const { exitCode, signalCode, stdout, stderr } = Bun.spawnSync(command, { cwd: ROOT, env: cleanEnvironment() });
  if (exitCode === 0) return stdout.toString();
  throw new Error(`Cannot run ${command.slice(0, 2).join(" ")}: ${signalCode ?? exitCode}\n${stderr}${stdout}`.trim());
}

/** The build itself must not be steered by the variables that the executable is protected from. */
function cleanEnvironment(): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(BUN|NODE|JSC)_/.test(name)));
}

/** What an interrupted build left: ours, and what bun build had begun in its working directory. */
function removeLeftovers(): void {
  for (const name of readdirSync(join(ROOT, "build")))
    if (/^hello-ebpf\.\d+$/.test(name)) rmSync(join(ROOT, "build", name));
  for (const name of readdirSync(ROOT)) if (name.endsWith(".bun-build")) rmSync(join(ROOT, name));
}

async function build(): Promise<void> {
  await buildBpf(false);
  removeLeftovers();
  const temporary = join(ROOT, `build/hello-ebpf.${process.pid}`);
  try {
    run([process.execPath, ...compileArguments(ENTRIES, temporary, template())]);
    run([temporary, "--version"]);
    renameSync(temporary, EXECUTABLE);
  } finally {
    rmSync(temporary, { force: true });
  }
}

if (import.meta.main) {
  try {
    await build();
  } catch (error) {
    console.error(`hello-ebpf: ${error instanceof Error ? error.message : error}`);
    process.exit(1);
  }
}
