// What a release says of itself: version, commit and the commit's time. Only images say it; executables are the same
// bytes for the same sources.

import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";

const ROOT = resolve(import.meta.dir, "../..");

export interface Provenance {
  readonly version: string;
  readonly licenses: string;
  readonly description: string;
  /** The commit's hash, with -dirty where the checkout differs from it; undefined outside a repository. */
  readonly revision?: string;
  /** The commit's time, RFC 3339 in UTC; 1970 outside a repository. */
  readonly created: string;
}

/** What git says, or undefined where this is no repository of ours. */
function git(...args: string[]): string | undefined {
  const { exitCode, stdout } = Bun.spawnSync(["git", "-C", ROOT, ...args]);
  return exitCode === 0 ? stdout.toString().trim() : undefined;
}

export function provenance(): Provenance {
  const { version, license, description } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  // Not the repository of whoever unpacked us below theirs.
  const ours = Bun.which("git") && git("rev-parse", "--show-prefix") === "";
  const revision = ours ? git("describe", "--always", "--dirty", "--abbrev=40", "--exclude=*") : undefined;
  const seconds = Number((ours && git("log", "-1", "--format=%ct")) || 0);
  const created = new Date(seconds * 1000).toISOString().replace(".000Z", "Z");
  return { version, licenses: license, description, created, ...(revision ? { revision } : {}) };
}
