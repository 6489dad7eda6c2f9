// Whether the mode of a file or of a folder on the way to it keeps this process out (inode(7), path_resolution(7)), for
// file systems without access lists, as bpffs.

import { type Stats, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { hasCapability, ownStatus } from "./capabilities.ts";
import type { Refusal } from "./cause.ts";

/** Of whom is asked, as one of the three digits of a mode. */
export const READ = 4;
export const WRITE = 2;
export const SEARCH = 1;

/** The bits of a mode that count for this process. */
function bitsOf({ mode, uid, gid }: Stats): number {
  if (uid === process.geteuid?.()) return mode >> 6;
  const others = ownStatus("Groups").match(/\d+/g) ?? []; // which no filter keeps back
  const groups = [process.getegid?.(), ...others.map(Number)];
  return groups.includes(gid) ? mode >> 3 : mode;
}

/** Folders from the root to `path`, without it. */
function foldersTo(path: string): string[] {
  const folder = dirname(path);
  return folder === path ? [] : [...foldersTo(folder), folder];
}

function forbids(path: string, wanted: number): Refusal | undefined {
  const stats = statSync(path);
  if ((bitsOf(stats) & wanted) === wanted) return undefined;
  const mode = (stats.mode & 0o7777).toString(8).padStart(4, "0");
  return {
    likely: `${path} is of user ${stats.uid} with mode ${mode}`,
    action: `run as that user (in a container --user ${stats.uid}), change its mode, or run with --cap-add=DAC_OVERRIDE`,
  };
}

/** What keeps this process from `path`, of which it wants READ, WRITE and SEARCH together; undefined where no mode does. */
export function forbiddenByMode(path: string, wanted: number): Refusal | undefined {
  if (hasCapability("CAP_DAC_OVERRIDE")) return undefined;
  const whole = resolve(path);
  // CAP_DAC_READ_SEARCH does for all that is not written.
  const asked = hasCapability("CAP_DAC_READ_SEARCH") ? WRITE : READ | WRITE | SEARCH;
  try {
    for (const folder of foldersTo(whole)) {
      const refusal = forbids(folder, SEARCH & asked);
      if (refusal) return refusal;
    }
    return forbids(whole, wanted & asked);
  } catch {
    return undefined; // it is not there
  }
}
