// What a guest boots into: one archive that holds everything, since Debian's cloud kernels have no disk or shared
// folder without modules. It is not compressed: software emulation unpacks slower than it copies.

import { copyFileSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { CpioWriter } from "./cpio.ts";
import { packageFile } from "./download.ts";
import type { Machine } from "./machines.ts";
import { BUSYBOX } from "./table.ts";

const ROOT = resolve(import.meta.dir, "../..");
const MOUNT_POINTS = ["proc", "sys", "dev", "tmp", "root", "run", "etc"];

/** Development tools of 100 MB that no test in a guest imports. */
const LEFT_OUT = new Set([
  "bun",
  "@oven",
  "@biomejs",
  "@types",
  "@typescript",
  "bun-types",
  "typescript",
  "undici-types",
]);

/** The shared libraries a program needs, its loader included, by the loader's own account. */
function libraries(program: string): string[] {
  const { stdout } = Bun.spawnSync(["ldd", program]);
  return [...stdout.toString().matchAll(/(\/\S+) \(0x/g)].map((match) => match[1] ?? "");
}

/** A path without its leading slash, where the program or its loader will look for it. */
const inside = (path: string) => path.replace(/^\//, "");

function addPrograms(archive: CpioWriter, programs: Record<string, string>): void {
  for (const [where, path] of Object.entries(programs)) archive.file(where, readFileSync(path), 0o755);
  for (const library of new Set(Object.values(programs).flatMap(libraries)))
    archive.file(inside(library), readFileSync(library), 0o755);
}

/** Adds a file or a folder with all below it. Links stay links: node_modules/elf-loader is one. */
function addTree(archive: CpioWriter, from: string, to: string, leaveOut: ReadonlySet<string> = new Set()): void {
  archive.folder(to);
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), `${to}/${entry.name}`];
    if (leaveOut.has(entry.name)) continue;
    if (entry.isSymbolicLink()) archive.symlink(target, readlinkSync(source));
    else if (entry.isDirectory()) addTree(archive, source, target);
    else if (entry.isFile()) archive.file(target, readFileSync(source), statSync(source).mode & 0o777);
  }
}

/** Programs of this machine that tests ask; what busybox has of the same name knows less. */
const TOOLS: Readonly<Record<string, string>> = {
  bpftool: "/usr/sbin/bpftool",
  ip: "/usr/bin/ip",
  tc: "/usr/sbin/tc",
};

function addBusybox(archive: CpioWriter): void {
  const busybox = packageFile(BUSYBOX, /^(usr\/)?bin\/busybox$/);
  archive.file("bin/busybox", readFileSync(busybox), 0o755);
  const applets = Bun.spawnSync([busybox, "--list"]).stdout.toString().trim().split("\n");
  for (const applet of applets)
    if (applet !== "busybox" && !(applet in TOOLS)) archive.symlink(`bin/${applet}`, "/bin/busybox");
}

function addBase(archive: CpioWriter): void {
  for (const folder of MOUNT_POINTS) archive.folder(folder);
  archive.device("dev/console", 5, 1);
  archive.device("dev/null", 1, 3);
}

/** What a guest does, and what its environment holds. */
export interface Job {
  /** Shell script, run in the checkout's copy; its status is the guest's. */
  readonly script: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Folders and files besides the tests and what they test: where they come from, by where they go. */
  readonly besides?: Readonly<Record<string, string>>;
  /** Begins each line by which the guest's init, not a test, speaks. */
  readonly nonce: string;
}

/** An archive with busybox, Bun, the executable, the sources and the tests. Its init is init.sh. */
export function testInitramfs(path: string, job: Job): void {
  const archive = new CpioWriter(path);
  addBase(archive);
  addBusybox(archive);
  addPrograms(archive, {
    "bin/bun": process.execPath,
    "hello-ebpf/hello-ebpf": join(ROOT, "hello-ebpf"),
    ...Object.fromEntries(Object.entries(TOOLS).map(([name, path]) => [`bin/${name}`, path])),
  });
  for (const folder of ["src", "test", "build/bpf", "build/fixtures"])
    addTree(archive, join(ROOT, folder), `hello-ebpf/${folder}`);
  addTree(archive, join(ROOT, "node_modules"), "hello-ebpf/node_modules", LEFT_OUT);
  for (const file of ["package.json", "tsconfig.json", "bunfig.toml"])
    archive.file(`hello-ebpf/${file}`, readFileSync(join(ROOT, file)));
  for (const [to, from] of Object.entries(job.besides ?? {}))
    if (statSync(from).isDirectory()) addTree(archive, from, to);
    else archive.file(to, readFileSync(from), statSync(from).mode & 0o777);
  const exports = Object.entries(job.environment).map(([name, value]) => `export ${name}='${value}'\n`);
  archive.file("environment", exports.join(""));
  archive.file("nonce", `${job.nonce}\n`);
  archive.file("job", job.script);
  archive.file("init", readFileSync(join(import.meta.dir, "init.sh")), 0o755);
  archive.file("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n");
  archive.close();
}

/** A copy of such an archive, with what init.sh puts into the kernel first. */
export function withModules(base: string, path: string, modules: readonly string[]): void {
  copyFileSync(base, path);
  const archive = new CpioWriter(path, true);
  for (const module of modules) archive.file(`modules/${basename(module)}`, readFileSync(module));
  archive.close();
}

const BARE_FLAGS = ["-nostdlib", "-static", "-ffreestanding", "-fno-builtin", "-fno-stack-protector", "-O2"];
const WARNINGS = ["-Wall", "-Wextra", "-Werror"];

/** Compiles a program without libc of this folder, bare-NAME.c. Throws with the compiler's words. */
export function compileBare(name: string, machine: Machine, output: string): void {
  const source = join(import.meta.dir, `bare-${name}.c`);
  const command = ["clang-19", ...BARE_FLAGS, ...WARNINGS, ...machine.compiler, "-o", output, source];
  const { exitCode, stderr } = Bun.spawnSync(command);
  if (exitCode !== 0) throw new Error(`Cannot compile bare-${name}.c: ${stderr}`);
}

/**
 * An archive without a shell: an init that needs no libc runs these command lines, /witness gives them something to
 * see, and `add` puts in what they run.
 */
export function bareInitramfs(
  path: string,
  machine: Machine,
  lines: { readonly nonce: string; readonly commands: readonly string[] },
  add: (archive: CpioWriter) => void,
): void {
  const archive = new CpioWriter(path);
  for (const folder of ["proc", "sys"]) archive.folder(folder);
  archive.device("dev/console", 5, 1);
  for (const name of ["init", "witness"]) {
    const program = `${path}.${name}`;
    compileBare(name, machine, program);
    archive.file(name, readFileSync(program), 0o755);
    rmSync(program);
  }
  add(archive);
  archive.file("commands", [lines.nonce, ...lines.commands, ""].join("\n"));
  archive.close();
}

/** This machine's own executable and its libraries. */
export const addExecutable = (archive: CpioWriter): void =>
  addPrograms(archive, { "hello-ebpf": join(ROOT, "hello-ebpf") });
