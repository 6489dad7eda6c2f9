// Makes a release in dist/: executables for four targets, a container image for each machine, checksums, install.sh.
//
// bun scripts/release.ts [--output FOLDER]. Run it by `npm run release`, which installs what it needs first. Everything
// is written under other names and renamed, SHA256SUMS last: where it is, the rest is whole.

import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { buildExecutables } from "./release/executables.ts";
import { imageArchive, imageEntries } from "./release/image.ts";
import { libcFor } from "./release/libc.ts";
import { place, placeTree } from "./release/place.ts";
import { type Provenance, provenance } from "./release/provenance.ts";
import { IMAGES, type ImageTarget, TARGETS } from "./release/targets.ts";

const ROOT = resolve(import.meta.dir, "..");
const SUMS = "SHA256SUMS";

/** The image's archive in dist/, and its files in build/image/NAME, from where scripts/containers/Containerfile copies. */
function buildImage(target: ImageTarget, folder: string, about: Provenance): string {
  const executable = readFileSync(join(folder, `hello-ebpf-${target.name}`));
  const libc = libcFor(target);
  placeTree(join(ROOT, "build/image", target.name), imageEntries(executable, libc));
  return place(join(folder, `hello-ebpf-image-${target.name}.tar`), imageArchive(target, executable, libc, about));
}

/** What sha256sum -c reads. */
const sums = (paths: readonly string[]) =>
  paths.map((path) => `${createHash("sha256").update(readFileSync(path)).digest("hex")}  ${basename(path)}\n`).join("");

/** Makes the release in a folder; answers the paths of all that is in it. Throws FetchError where the network is missing. */
export async function release(folder: string): Promise<string[]> {
  mkdirSync(folder, { recursive: true });
  for (const name of readdirSync(folder))
    if (/^hello-ebpf-|^install\.sh|^SHA256SUMS/.test(name)) rmSync(join(folder, name));
  const about = provenance();
  const made = await buildExecutables(TARGETS, folder);
  for (const target of IMAGES) made.push(buildImage(target, folder, about));
  made.push(place(join(folder, "install.sh"), readFileSync(join(ROOT, "scripts/install.sh")), 0o755));
  made.push(place(join(folder, SUMS), Buffer.from(sums(made))));
  return made;
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { output: { type: "string", default: join(ROOT, "dist") } } });
  try {
    for (const path of await release(resolve(values.output)))
      console.log(`${basename(path)} ${(statSync(path).size / 1e6).toFixed(1)} MB`);
  } catch (error) {
    console.error(`hello-ebpf: ${error instanceof Error ? error.message : error}`);
    process.exit(1);
  }
}
