// The objects of the comparison, in build/corpus/objects/: a folder a package, and our own.

import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { buildBpf } from "../build-bpf.ts";
import { cached, run } from "../kernels/download.ts";
import type { DebianPackage } from "../kernels/table.ts";
import { ROOT } from "../suite.ts";
import { extractObjects } from "./extract.ts";
import { PACKAGES } from "./packages.ts";

export const OBJECTS = join(ROOT, "build/corpus/objects");

/** A folder with the objects of a package, from the cache or else downloaded. Throws an Error where it cannot be had. */
export const objectsOf = (source: DebianPackage): string =>
  cached({ ...source, id: `objects-${source.id}` }, (archive, to) => {
    const tree = `${archive}.tree`;
    run(["dpkg-deb", "-x", archive, tree], "/");
    extractObjects(tree, to);
  });

/** Makes the folder anew. Says which packages could not be had. */
export async function collect(): Promise<void> {
  rmSync(OBJECTS, { recursive: true, force: true });
  mkdirSync(OBJECTS, { recursive: true });
  for (const source of PACKAGES) {
    try {
      const objects = objectsOf(source);
      if (readdirSync(objects).length > 0) run(["cp", "-r", objects, join(OBJECTS, source.id)], "/");
    } catch (error) {
      console.log(`left out ${source.id}: ${error instanceof Error ? error.message : error}`);
    }
  }
  await buildBpf(true);
  for (const own of ["bpf", "fixtures"]) run(["cp", "-r", join(ROOT, "build", own), join(OBJECTS, own)], "/");
}
