// What a guest boots into: one archive that holds everything, since Debian's cloud kernels have no disk or shared
// folder without modules. It is not compressed: software emulation unpacks slower than it copies.

import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { CpioWriter } from "./cpio.ts";
import { packageFile } from "./download.ts";
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

async function addBusybox(archive: CpioWriter): Promise<void> {
  const busybox = await packageFile(BUSYBOX, /^(usr\/)?bin\/busybox$/);
  archive.file("bin/busybox", readFileSync(busybox), 0o755);
  const applets = Bun.spawnSync([busybox, "--list"]).stdout.toString().trim().split("\n");
  for (const applet of applets) if (applet !== "busybox") archive.symlink(`bin/${applet}`, "/bin/busybox");
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
  /** Begins each line by which the guest's init, not a test, speaks. */
  readonly nonce: string;
}

/** An archive with busybox, Bun, the executable, the sources and the tests. Its init is init.sh. */
export async function testInitramfs(path: string, job: Job): Promise<void> {
  const archive = new CpioWriter(path);
  addBase(archive);
  await addBusybox(archive);
  addPrograms(archive, {
    "bin/bun": process.execPath,
    "hello-ebpf/hello-ebpf": join(ROOT, "hello-ebpf"),
    "bin/bpftool": "/usr/sbin/bpftool",
  });
  for (const folder of ["src", "test", "build/bpf", "build/fixtures"])
    addTree(archive, join(ROOT, folder), `hello-ebpf/${folder}`);
  addTree(archive, join(ROOT, "node_modules"), "hello-ebpf/node_modules", LEFT_OUT);
  for (const file of ["package.json", "tsconfig.json", "bunfig.toml"])
    archive.file(`hello-ebpf/${file}`, readFileSync(join(ROOT, file)));
  const exports = Object.entries(job.environment).map(([name, value]) => `export ${name}='${value}'\n`);
  archive.file("environment", exports.join(""));
  archive.file("nonce", `${job.nonce}\n`);
  archive.file("job", job.script);
  archive.file("init", readFileSync(join(import.meta.dir, "init.sh")), 0o755);
  archive.file("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n");
  archive.close();
}

/** An archive with the executable and libc, and an init that needs neither libc nor a shell to run command lines. */
export function bareInitramfs(path: string, nonce: string, commands: readonly string[]): void {
  const init = `${path}.init`;
  const flags = [
    "-nostdlib",
    "-static",
    "-ffreestanding",
    "-fno-stack-protector",
    "-O2",
    "-Wall",
    "-Wextra",
    "-Werror",
  ];
  const headers = ["-idirafter", "/usr/include/x86_64-linux-gnu"];
  const source = join(import.meta.dir, "bare-init.c");
  const { exitCode, stderr } = Bun.spawnSync(["clang-19", ...flags, ...headers, "-o", init, source]);
  if (exitCode !== 0) throw new Error(`Cannot compile bare-init.c: ${stderr}`);
  const archive = new CpioWriter(path);
  for (const folder of ["proc", "sys"]) archive.folder(folder);
  archive.device("dev/console", 5, 1);
  addPrograms(archive, { "hello-ebpf": join(ROOT, "hello-ebpf") });
  archive.file("init", readFileSync(init), 0o755);
  archive.file("commands", [nonce, ...commands, ""].join("\n"));
  archive.close();
}
