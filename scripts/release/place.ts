// Writes the release's files: whole or not at all, with the modes they are to have whatever the umask is.

import { chmodSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { TarEntry } from "./tar.ts";

/** Writes a file under another name and renames it; answers its path. */
export function place(path: string, data: Uint8Array, mode = 0o644): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(`${path}.new`, data);
  chmodSync(`${path}.new`, mode);
  renameSync(`${path}.new`, path);
  return path;
}

/** A folder that holds these files and nothing else; anybody may read it, as in the archives that tar.ts makes. */
export function placeTree(folder: string, entries: readonly TarEntry[]): void {
  rmSync(folder, { recursive: true, force: true });
  for (const { path, data, mode } of entries) {
    place(join(folder, path), data, mode);
    for (let above = dirname(path); ; above = dirname(above)) {
      chmodSync(join(folder, above), 0o755);
      if (above === ".") break;
    }
  }
}
