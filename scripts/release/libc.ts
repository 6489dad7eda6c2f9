// The loader and the libraries of an image: Debian's glibc for its machine, downloaded and unpacked, never installed.
//
// libc6 is the newest of bookworm and its security suite at the time of the release, not a pinned one: mirrors drop the
// versions they replace, and an image ought to have the fixes. Which one it is stands in the image's history; the same
// commit and the same libc6 give the same image. apt checks signatures; its state and the packages are kept in
// ${XDG_CACHE_HOME:-~/.cache}/hello-ebpf/libc, apart from the machine's own.

import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { basename, join } from "node:path";
import { privateApt, run } from "../kernels/download.ts";
import { FetchError } from "./fetch-error.ts";
import type { TarEntry } from "./tar.ts";
import { type ImageTarget, LIBRARIES } from "./targets.ts";

const CACHE = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "hello-ebpf/libc");
const SUITES = ["bookworm", "bookworm-security"];

/** Without the mirror what is in the cache does, which is said: it may be not the newest. */
function update(apt: readonly string[], folder: string): void {
  try {
    run(["apt-get", ...apt, "-q", "update"], folder);
  } catch {
    console.error("hello-ebpf: the mirror cannot be asked for its newest libc6: taking the one known from before");
  }
}

/** Where a package for a machine lies after downloading; apt gets only what is not there yet. */
function download(architecture: string): string {
  const folder = join(CACHE, architecture);
  mkdirSync(folder, { recursive: true });
  try {
    const apt = [...privateApt(folder, SUITES, architecture), "-o", "Acquire::GzipIndexes=true"];
    update(apt, folder);
    const policy = run(["apt-cache", ...apt, "policy", "libc6"], folder);
    const version = /Candidate: (\S+)/.exec(policy)?.[1] ?? "";
    run(["apt-get", ...apt, "-q", "download", `libc6=${version}`], folder);
    const wanted = `libc6_${version.replace(":", "%3a")}_${architecture}.deb`;
    for (const name of readdirSync(folder)) if (name.endsWith(".deb") && name !== wanted) rmSync(join(folder, name));
    return join(folder, wanted);
  } catch (error) {
    throw new FetchError(`Cannot fetch libc6 for ${architecture}: ${(error as Error).message}`);
  }
}

/** What an image takes from Debian. */
export interface Libc {
  /** Package and version. */
  readonly source: string;
  /** The loader where the executable asks for it, and the libraries where the loader looks for them. */
  readonly entries: readonly TarEntry[];
}

/** The loader and libraries for an image. Throws FetchError where the mirror cannot be reached. */
export function libcFor({ debian, triplet, loader }: ImageTarget): Libc {
  const archive = download(debian);
  const folder = `${archive}.${process.pid}`;
  try {
    run(["dpkg-deb", "-x", archive, folder], "/");
    const place = (file: string) => join(folder, "lib", triplet, file);
    const entry = (path: string, from: string): TarEntry => ({ path, mode: 0o755, data: readFileSync(from) });
    const entries = LIBRARIES.map((name) => entry(`lib/${triplet}/${name}`, place(name)));
    entries.push(entry(loader.slice(1), place(basename(loader))));
    return { source: basename(archive, ".deb").replaceAll("_", " "), entries };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
