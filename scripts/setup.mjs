#!/usr/bin/env node
// Makes a fresh clone runnable: npm packages (Bun among them), Debian packages, then the executable.
//
// Plain JavaScript for Node 18 or newer, which is all that is there at first. `node scripts/setup.mjs LEVEL`:
// build (what npm start needs), ok (also what the tests without guests need), release (also what images are made
// from), test (also what guests and containers need).
// What is in place already is found by looking at files only, so that a second npm start starts at once.

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  closeSync,
  existsSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const BUN = join(ROOT, "node_modules/bun/bin/bun.exe");
const EXECUTABLE = join(ROOT, "hello-ebpf");
const STAMP = join(ROOT, "build/stamp.json");
const LOCKED = "HELLO_EBPF_SETUP_LOCKED";

/** Debian packages by the file that shows they are installed. */
const BUILD_PACKAGES = {
  "clang-19": "/usr/bin/clang-19",
  "libbpf-dev": "/usr/include/bpf/bpf_helpers.h",
  "linux-libc-dev": "/usr/include/linux/bpf.h",
};
const RELEASE_PACKAGES = { "debian-archive-keyring": "/usr/share/keyrings/debian-archive-keyring.gpg" };
const TEST_PACKAGES = {
  ...RELEASE_PACKAGES,
  "qemu-system-x86": "/usr/bin/qemu-system-x86_64",
  "qemu-system-arm": "/usr/bin/qemu-system-aarch64",
  "lld-19": "/usr/bin/ld.lld-19",
  musl: "/lib/ld-musl-x86_64.so.1",
  bpftool: "/usr/sbin/bpftool",
  iproute2: "/usr/bin/ip",
  podman: "/usr/bin/podman",
  runc: "/usr/sbin/runc",
  bubblewrap: "/usr/bin/bwrap",
};
const LEVELS = { build: {}, ok: {}, release: RELEASE_PACKAGES, test: TEST_PACKAGES };

/** Everything the executable is made from: a change in any of these builds it again. */
const INPUTS = [
  ...["bpf", "src", "package.json", "package-lock.json", "tsconfig.json"],
  ...["scripts/build.ts", "scripts/build-bpf.ts", "scripts/template"],
];

class SetupError extends Error {}

const say = (line) => process.stderr.write(`hello-ebpf: ${line}\n`);
const readJson = (path) => (existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : undefined);

/** Runs a command whose output is of interest only when it fails. Throws SetupError with the end of that output. */
function run(command, args, options = {}) {
  const ran = spawnSync(command, args, { cwd: ROOT, encoding: "utf8", maxBuffer: 1 << 28, ...options });
  if (ran.status === 0) return;
  const output = `${ran.stdout ?? ""}${ran.stderr ?? ""}`.trim().split("\n").slice(-30).join("\n");
  throw new SetupError(
    `${command} ${args[0] ?? ""} failed (${ran.error?.code ?? ran.signal ?? ran.status})\n${output}`,
  );
}

// ---- npm packages

/**
 * npm writes node_modules/.package-lock.json when all else is in place, and `npm ci` removes it first: it is the mark
 * of a finished run. Packages of other platforms are in our lock only.
 */
function modulesReady() {
  const [wanted, present] = ["package-lock.json", "node_modules/.package-lock.json"].map((path) =>
    readJson(join(ROOT, path)),
  );
  if (!wanted || !present) return false;
  return Object.entries(wanted.packages).every(([path, entry]) => {
    if (!path.startsWith("node_modules/")) return true;
    const have = present.packages[path];
    if (!have) return entry.optional === true;
    return have.version === entry.version && have.integrity === entry.integrity && existsSync(join(ROOT, path));
  });
}

/** Where install scripts are off, node_modules/bun holds a stub of some bytes in place of Bun. */
const bunReady = () => existsSync(BUN) && statSync(BUN).size > 1 << 20;

function works(bun) {
  return spawnSync(bun, ["--version"], { encoding: "utf8" }).status === 0;
}

/** Puts a Bun that runs here where npm's own install script would have: baseline builds are for older processors. */
function placeBun() {
  const vendor = join(ROOT, "node_modules/@oven");
  const found = existsSync(vendor) ? readdirSync(vendor).map((name) => join(vendor, name, "bin/bun")) : [];
  const bun = found.filter(existsSync).find(works);
  if (!bun) throw new SetupError("no Bun in node_modules/@oven runs on this machine");
  const temporary = `${BUN}.${process.pid}`;
  linkSync(bun, temporary);
  renameSync(temporary, BUN);
}

function installModules() {
  if (!modulesReady()) {
    say("installing npm packages (npm ci)");
    run("npm", ["ci", "--include=dev", "--include=optional", "--no-audit", "--no-fund", "--loglevel=error"]);
  }
  if (!bunReady()) placeBun();
}

// ---- Debian packages

const missing = (packages) => Object.keys(packages).filter((name) => !existsSync(packages[name]));

/** Tests that need a package say so and are skipped; a build or a release cannot be. */
function packagesFor(level) {
  const more = level === "release" || isRoot() ? missing(LEVELS[level]) : [];
  return [...missing(BUILD_PACKAGES), ...more];
}

const isRoot = () => process.getuid?.() === 0;

function installPackages(names) {
  const command = `apt-get install ${names.join(" ")}`;
  if (!isRoot()) throw new SetupError(`missing Debian packages, install them as root: ${command}`);
  if (!existsSync("/usr/bin/apt-get"))
    throw new SetupError(`no apt-get here: install ${names.join(", ")} by other means`);
  say(`installing Debian packages (${command})`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const options = ["-q", "-o", "DPkg::Lock::Timeout=600"];
  run("apt-get", [...options, "update"], { env });
  run("apt-get", [...options, "install", "--yes", "--no-install-recommends", ...names], { env });
}

// ---- the executable

/** The files under the inputs, in order, each as [path, size, time of change]. */
function inputs() {
  const found = [];
  const visit = (path) => {
    const { mtimeMs, size, isDirectory } = inspect(path);
    if (isDirectory) for (const name of readdirSync(join(ROOT, path)).sort()) visit(join(path, name));
    else if (size >= 0) found.push([path, size, mtimeMs]);
  };
  for (const path of INPUTS) visit(path);
  return found;
}

/** A file that an editor removes while we look counts as absent. */
function inspect(path) {
  const stats = statSync(join(ROOT, path), { throwIfNoEntry: false });
  if (!stats) return { size: -1, mtimeMs: 0, isDirectory: false };
  return { size: stats.size, mtimeMs: stats.mtimeMs, isDirectory: stats.isDirectory() };
}

function contentHash(files) {
  const hash = createHash("sha256");
  for (const [path] of files) hash.update(`${path}\0`).update(readFileSync(join(ROOT, path)));
  return hash.digest("hex");
}

/** The executable as it was when the stamp was written: one replaced or cut short since is not trusted. */
const outputs = () =>
  [inspect("hello-ebpf"), inspect("node_modules/.bin/bun")].map((file) => [file.size, file.mtimeMs]);

const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

/** Whether the executable is of these inputs: first by size and time; where times differ (a fresh checkout), by content. */
function executableReady(files) {
  const stamp = readStamp();
  if (!stamp || !existsSync(EXECUTABLE) || !same(stamp.outputs, outputs())) return false;
  if (same(stamp.files, files)) return true;
  if (stamp.hash !== contentHash(files)) return false;
  writeStamp(files, stamp.hash);
  return true;
}

/** A stamp cut short says nothing. */
function readStamp() {
  try {
    return readJson(STAMP);
  } catch {
    return undefined;
  }
}

function writeStamp(files, hash) {
  writeFileSync(`${STAMP}.${process.pid}`, JSON.stringify({ outputs: outputs(), hash, files }));
  renameSync(`${STAMP}.${process.pid}`, STAMP);
}

/** The inputs are read before the build: a file saved while it runs is a change for the next time. */
function buildExecutable(files) {
  say("building");
  const hash = contentHash(files);
  mkdirSync(join(ROOT, "build"), { recursive: true });
  rmSync(STAMP, { force: true });
  const built = spawnSync(BUN, ["scripts/build.ts"], { cwd: ROOT, stdio: ["ignore", 2, 2] });
  if (built.status !== 0)
    throw new SetupError(`the build failed (${built.error?.code ?? built.signal ?? built.status})`);
  writeStamp(files, hash);
}

// ---- all of it

/** The compiler and its headers are not asked for where nothing is to be compiled. */
function ready(level) {
  if (!modulesReady() || !bunReady() || !executableReady(inputs())) return false;
  return level === "build" || packagesFor(level).length === 0;
}

/** Runs this script again under flock(1): of two set-ups in one checkout the second waits and finds all done. */
function lockAndRepeat(level) {
  mkdirSync(join(ROOT, "build"), { recursive: true });
  const lock = join(ROOT, "build/setup.lock");
  closeSync(openSync(lock, "a"));
  const script = fileURLToPath(import.meta.url);
  const env = { ...process.env, [LOCKED]: "1" };
  return spawnSync("flock", [lock, process.execPath, script, level], { stdio: ["ignore", 2, 2], env });
}

function setUp(level) {
  installModules();
  const packages = packagesFor(level);
  if (packages.length > 0) installPackages(packages);
  const files = inputs();
  if (!executableReady(files)) buildExecutable(files);
}

function main(level) {
  if (!Object.hasOwn(LEVELS, level ?? ""))
    throw new SetupError(`usage: node scripts/setup.mjs ${Object.keys(LEVELS).join("|")}`);
  if (ready(level)) return 0;
  if (packagesFor(level).length > 0 && !isRoot()) installPackages(packagesFor(level));
  if (!process.env[LOCKED]) {
    const locked = lockAndRepeat(level);
    if (locked.error?.code !== "ENOENT") return locked.status ?? 1;
  }
  setUp(level);
  return 0;
}

try {
  process.exitCode = main(process.argv[2]);
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  say(error.message);
  process.exitCode = 1;
}
