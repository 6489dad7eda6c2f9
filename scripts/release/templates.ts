// Bun for every target, out of npm packages whose version and integrity package-lock.json pins.
//
// `npm ci` installs only the package of this machine, so the others are fetched by `npm pack`, which asks the registry
// that npm is configured for. What came is compared with the lock's Subresource Integrity value (sha512) before it is
// looked into, also when it comes from the cache: ${XDG_CACHE_HOME:-~/.cache}/hello-ebpf/templates.

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { harden } from "../template/harden.ts";
import { FetchError } from "./fetch-error.ts";
import type { Target } from "./targets.ts";

const ROOT = resolve(import.meta.dir, "../..");
const CACHE = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "hello-ebpf/templates");

/** What the lock file says of a package. */
interface Pin {
  readonly version: string;
  readonly integrity: string;
}

function pin(name: string): Pin {
  const lock = JSON.parse(readFileSync(join(ROOT, "package-lock.json"), "utf8"));
  const entry = lock.packages[`node_modules/${name}`];
  if (entry?.integrity?.startsWith("sha512-")) return entry;
  throw new Error(`Cannot find ${name} with a sha512 integrity in package-lock.json`);
}

/** Throws unless these bytes are the pinned ones. */
export function checkIntegrity(what: string, bytes: Uint8Array, expected: string): void {
  const found = `sha512-${createHash("sha512").update(bytes).digest("base64")}`;
  if (found !== expected)
    throw new Error(`Cannot use ${what}: its integrity is ${found}, package-lock.json pins ${expected}`);
}

/** Fetches a package's archive into the cache. Throws FetchError with npm's last words. */
function fetchPackage(name: string, version: string, path: string): void {
  const folder = `${path}.${process.pid}`;
  mkdirSync(folder, { recursive: true });
  try {
    const command = ["npm", "pack", "--silent", "--ignore-scripts", `--pack-destination=${folder}`];
    const ran = Bun.spawnSync([...command, `${name}@${version}`], { cwd: ROOT });
    const archive = readdirSync(folder).find((file) => file.endsWith(".tgz"));
    const said = `${ran.stdout}${ran.stderr}`.trim().split("\n").slice(-3).join("; ");
    if (ran.exitCode !== 0 || !archive)
      throw new FetchError(`Cannot fetch ${name} ${version}: ${said || "npm gave none"}`);
    renameSync(join(folder, archive), path);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The package's archive, checked. One in the cache that is not the pinned one is fetched anew. */
function packageArchive(name: string): string {
  const { version, integrity } = pin(name);
  const path = join(CACHE, `${name.replaceAll("/", "-")}-${version}.tgz`);
  if (existsSync(path)) {
    try {
      checkIntegrity(name, readFileSync(path), integrity);
      return path;
    } catch {
      rmSync(path); // cut short, or of another registry
    }
  }
  mkdirSync(CACHE, { recursive: true });
  fetchPackage(name, version, path);
  checkIntegrity(`${name} ${version}`, readFileSync(path), integrity);
  return path;
}

/** The hardened Bun of a target, an ELF file. Throws FetchError, or Error where the bytes are not the expected ones. */
export function templateFor(target: Target): Uint8Array {
  const archive = packageArchive(target.package);
  const { exitCode, stdout, stderr } = Bun.spawnSync(["tar", "-xzOf", archive, "package/bin/bun"]);
  if (exitCode !== 0) throw new Error(`Cannot unpack ${target.package}: ${stderr.toString().trim()}`);
  return harden(stdout);
}
