// libbpf itself, compiled from Debian's source package: the newest, whatever this machine has installed.

import { copyFileSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { CACHE, run, sourceArchive } from "../kernels/download.ts";
import { ROOT } from "../suite.ts";

const SUITES = ["sid", "trixie"];
const FLAGS = ["-O2", "-w", "-D_GNU_SOURCE", "-D_LARGEFILE64_SOURCE", "-D_FILE_OFFSET_BITS=64"];

/** Where libbpf-load is, compiled if it was not, and the libbpf version in it. Throws an Error that says what is missing. */
export function libbpfLoad(): { path: string; version: string } {
  const { archive, version } = sourceArchive("libbpf", SUITES);
  const folder = join(CACHE, `libbpf-${version}`);
  const path = join(ROOT, "build/corpus/libbpf-load");
  mkdirSync(join(ROOT, "build/corpus"), { recursive: true });
  const library = join(folder, "libbpf.a");
  if (!Bun.file(library).size) compileLibrary(archive, folder);
  const source = join(ROOT, "scripts/corpus/libbpf-load.c");
  const includes = ["-I", join(folder, "include"), "-I", join(folder, "include/uapi")];
  run(
    [
      "clang-19",
      "-O2",
      "-Wall",
      "-static",
      "-Wl,--wrap=syscall",
      ...includes,
      "-o",
      path,
      source,
      library,
      "-lelf",
      "-lz",
    ],
    "/",
  );
  return { path, version };
}

function compileLibrary(archive: string, folder: string): void {
  const work = `${folder}.${process.pid}`;
  mkdirSync(work, { recursive: true });
  try {
    run(["tar", "-x", "--strip-components=1", "-f", archive], work);
    const source = join(work, "src");
    const files = readdirSync(source);
    const sources = files.filter((name) => name.endsWith(".c"));
    run(["clang-19", ...FLAGS, "-I../include", "-I../include/uapi", "-c", ...sources], source);
    const objects = sources.map((name) => name.replace(/c$/, "o"));
    run(["ar", "rcs", "../libbpf.a", ...objects], source);
    mkdirSync(join(work, "include/bpf"));
    for (const name of files.filter((name) => name.endsWith(".h")))
      copyFileSync(join(source, name), join(work, "include/bpf", name));
    rmSync(folder, { recursive: true, force: true });
    renameSync(work, folder);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
