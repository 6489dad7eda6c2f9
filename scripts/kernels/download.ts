// Fetches Debian packages of suites that this machine does not use, without touching its own apt: a private folder
// holds lists and archives, the mirror is the one the machine is configured for, and apt checks every signature.
//
// What is wanted of a package is a file or a few. They are kept in ${XDG_CACHE_HOME:-~/.cache}/hello-ebpf/kernels,
// written under another name and renamed, so that what is there is whole and a second run downloads nothing.

import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import { basename, join } from "node:path";
import { type DebianPackage, type Guest, MODULES } from "./table.ts";

const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";

/** Where kernels are kept between runs and between clones. */
export const CACHE = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "hello-ebpf/kernels");

/** Runs a command and answers what it printed; throws its last words. */
export function run(command: string[], cwd: string): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync(command, { cwd, env: { ...process.env, LC_ALL: "C" } });
  if (exitCode === 0) return stdout.toString();
  throw new Error(
    `Cannot run ${command[0]} ${command.at(-1)}: ${stderr.toString().trim().split("\n").slice(-3).join("; ")}`,
  );
}

/** The mirror this machine takes a kind of suite from: security suites have one of their own. Throws when it has none. */
function mirror(suite: string): string {
  const format = ["apt-get", "indextargets", "--format", "$(RELEASE) $(REPO_URI)", "Created-By: Packages"];
  const rows = run(format, "/")
    .split("\n")
    .map((row) => row.split(" "));
  const security = (name = "") => name.endsWith("-security");
  const uri = rows.find(([release]) => release && security(release) === security(suite))?.[1];
  if (!uri)
    throw new Error(`Cannot find ${suite}: apt is configured for no ${security(suite) ? "security " : ""}suite`);
  return uri;
}

/** apt's options that move all its state of some suites into a folder; for the machine's own architecture or another. */
export function privateApt(
  folder: string,
  suites: readonly string[],
  architecture?: string,
  kind: "deb" | "deb-src" = "deb",
): string[] {
  for (const path of ["lists/partial", "cache/archives/partial"]) mkdirSync(join(folder, path), { recursive: true });
  const sources = suites.map((suite) => `${kind} [signed-by=${KEYRING}] ${mirror(suite)} ${suite} main\n`);
  writeFileSync(join(folder, "sources.list"), sources.join(""));
  writeFileSync(join(folder, "status"), "");
  const settings = {
    "Dir::State::Lists": join(folder, "lists"),
    "Dir::State::status": join(folder, "status"),
    "Dir::Etc::SourceList": join(folder, "sources.list"),
    "Dir::Etc::SourceParts": "/dev/null",
    "Dir::Cache": join(folder, "cache"),
    "Acquire::Languages": "none",
    "Acquire::Retries": "3",
    "APT::Update::Error-Mode": "any", // a list that could not be had is an error, not the one before
    "APT::Sandbox::User": "root",
    ...(architecture ? { "APT::Architecture": architecture, "APT::Architectures": architecture } : {}),
  };
  return Object.entries(settings).flatMap(([name, value]) => ["-o", `${name}=${value}`]);
}

/** The package of a suite with the highest version in its name, downloaded and checked: its path. */
function download(folder: string, wanted: DebianPackage): string {
  const options = privateApt(folder, [wanted.suite], wanted.architecture);
  run(["apt-get", ...options, "-q", "update"], folder);
  const names = run(["apt-cache", ...options, "pkgnames"], folder).split("\n");
  const newest = names
    .filter((name) => wanted.package.test(name))
    .sort(byVersion)
    .at(-1);
  if (!newest) throw new Error(`Cannot find a package ${wanted.package.source} in ${wanted.suite}`);
  run(["apt-get", ...options, "-q", "download", newest], folder);
  const archive = readdirSync(folder).find((name) => name.endsWith(".deb"));
  if (!archive) throw new Error(`Cannot download ${newest}: apt left no archive`);
  return join(folder, archive);
}

/**
 * The upstream archive of a Debian source package, from the first suite that has it, and its version: kept in the cache.
 * Throws an Error with what each suite said where none has.
 */
export function sourceArchive(name: string, suites: readonly string[]): { archive: string; version: string } {
  const pattern = new RegExp(`^${name}_(.+)\\.orig\\.tar\\.\\w+$`);
  const found = (folder: string) => existsSync(folder) && readdirSync(folder).find((file) => pattern.test(file));
  const folder = join(CACHE, `source-${name}`);
  if (!found(folder)) downloadSource(name, suites, folder);
  const file = found(folder);
  if (!file) throw new Error(`Cannot find the source of ${name} in ${suites.join(" or ")}`);
  return { archive: join(folder, file), version: pattern.exec(file)?.[1] ?? "" };
}

function downloadSource(name: string, suites: readonly string[], to: string): void {
  const said: string[] = [];
  for (const suite of suites) {
    const folder = `${to}.${process.pid}`;
    mkdirSync(folder, { recursive: true });
    try {
      const options = privateApt(folder, [suite], undefined, "deb-src");
      run(["apt-get", ...options, "-q", "update"], folder);
      run(["apt-get", ...options, "-q", "--only-source", "--download-only", "source", name], folder);
      rmSync(to, { recursive: true, force: true });
      renameSync(folder, to);
      return;
    } catch (error) {
      said.push(`${suite}: ${error instanceof Error ? error.message : error}`);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
  throw new Error(`Cannot download the source of ${name}: ${said.join("; ")}`);
}

/** 6.12.9 before 6.12.10: numbers in names count as numbers. */
const byVersion = (a: string, b: string) => a.localeCompare(b, "en", { numeric: true });

/** The paths of the files of a package that match. Throws where there is none. */
function unpack(archive: string, wanted: RegExp): string[] {
  const folder = `${archive}.unpacked`;
  run(["dpkg-deb", "-x", archive, folder], "/");
  const paths = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => wanted.test(name));
  if (paths.length === 0) throw new Error(`Cannot find ${wanted.source} in ${archive.split("/").at(-1)}`);
  return paths.map((name) => join(folder, name));
}

/** Downloads a package and puts what `take` makes of it, a file or a folder, into the cache. */
export function cached(source: DebianPackage, take: (archive: string, to: string) => void): string {
  const path = join(CACHE, source.id);
  if (existsSync(path)) return path;
  const folder = join(CACHE, `.${source.id}.${process.pid}`);
  mkdirSync(folder, { recursive: true });
  try {
    take(download(folder, source), join(folder, "taken"));
    renameSync(join(folder, "taken"), path);
    return path;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function takeFile(from: string, to: string): void {
  copyFileSync(realpathSync(from), to);
  chmodSync(to, 0o755);
}

function takeFiles(paths: readonly string[], to: string): void {
  mkdirSync(to);
  for (const path of paths) takeFile(path, join(to, basename(path)));
}

/**
 * The path of one file of a package, from the cache or else downloaded into it.
 * Throws an Error that says why where the mirror cannot be reached or has no such package.
 */
export const packageFile = (source: DebianPackage, wanted: RegExp): string =>
  cached(source, (archive, to) => takeFile(unpack(archive, wanted)[0] ?? "", to));

/** The same for all files that match: a folder that holds them, without the folders they were in. */
export const packageFiles = (source: DebianPackage, wanted: RegExp): string =>
  cached(source, (archive, to) => takeFiles(unpack(archive, wanted), to));

/** All of a package as it would be installed, its control file in DEBIAN/. */
export const packageTree = (source: DebianPackage): string =>
  cached(source, (archive, to) => {
    run(["dpkg-deb", "-R", archive, to], "/");
  });

/** The image is /boot/vmlinuz-* of an image package, /usr/lib/modules/VERSION/vmlinuz in sid. */
const KERNEL_FILES = new RegExp(`^boot/vmlinuz-|/vmlinuz$|/(${MODULES.join("|")})\\.ko(\\.xz)?$`);

/** A guest's kernel image and modules in one folder: together, as one fits no other version of the other. */
const kernelFiles = (guest: Guest): string =>
  cached({ ...guest, id: `kernel-${guest.id}` }, (archive, to) => {
    const archives = [archive];
    if (guest.modules) archives.push(download(`${archive}.modules`, { ...guest, package: guest.modules }));
    takeFiles(
      archives.flatMap((one) => unpack(one, KERNEL_FILES)),
      to,
    );
  });

/** The paths of what a guest's kernel consists of. */
export interface Kernel {
  readonly image: string;
  /** In the order of MODULES; compressed or not, as Debian has them. */
  readonly modules: readonly string[];
}

/** From the cache or else downloaded into it. Throws as packageFile does. */
export function kernelOf(guest: Guest): Kernel {
  const folder = kernelFiles(guest);
  const files = readdirSync(folder);
  const paths = (pattern: RegExp) => files.filter((name) => pattern.test(name)).map((name) => join(folder, name));
  const [image = ""] = paths(/^vmlinuz/);
  return { image, modules: MODULES.flatMap((name) => paths(new RegExp(`^${name}\\.ko`))) };
}
