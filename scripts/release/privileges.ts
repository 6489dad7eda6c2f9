// The README's table of the least each mode needs, made from what the container tests printed and from nothing else.
//
// A run that did all that its mode is for prints `PRIVILEGES MODE CAPABILITIES MOUNTS USER KEPT`: BPF,PERFMON - any -, what it
// had and the capabilities that it keeps once attached. Of a mode's runs those stay that no other run got by with less; for
// each thing that they had a run without it must have printed `REFUSED MODE CAPABILITIES MOUNTS USER`. Run by
// `npm run matrix`, this puts the table of the last whole test run, build/privileges.md, into README.md; the test command
// compares the two.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

const ROOT = resolve(import.meta.dir, "../..");
const README = join(ROOT, "README.md");
const LAST = join(ROOT, "build/privileges.md");
const MARK = "<!-- privileges -->";

/** What one run had. */
interface Run {
  readonly mode: string;
  readonly capabilities: readonly string[];
  readonly mounts: readonly string[];
  readonly user: string;
  readonly kept: readonly string[];
}

const list = (text = "-") => (text === "-" ? [] : text.split(",").sort());

/** The runs that said how they ended: PRIVILEGES or REFUSED. */
function parse(lines: readonly string[], how: string): Run[] {
  const row = new RegExp(`^${how} (\\S+) (\\S+) (\\S+) (root|any)(?: (\\S+))?$`);
  return [...new Set(lines)].flatMap((line) => {
    const match = row.exec(line);
    if (!match) return [];
    const [, mode = "", capabilities, mounts, user = "", kept] = match;
    return [{ mode, capabilities: list(capabilities), mounts: list(mounts), user, kept: list(kept) }];
  });
}

const within = (some: readonly string[], others: readonly string[]) => some.every((one) => others.includes(one));

/** Whether a got by with no more than b, as whoever b was. */
const noMore = (a: Run, b: Run) =>
  a.mode === b.mode &&
  within(a.capabilities, b.capabilities) &&
  within(a.mounts, b.mounts) &&
  (a.user === "any" || b.user === "root");

function leastRuns(lines: readonly string[]): Run[] {
  const runs = parse(lines, "PRIVILEGES");
  return runs.filter((run) => !runs.some((other) => other !== run && noMore(other, run)));
}

/** The same run with one thing less: a capability, what is mounted, or root. */
function withLess(run: Run): Run[] {
  const without = (all: readonly string[]) => all.map((one) => all.filter((other) => other !== one));
  return [
    ...without(run.capabilities).map((capabilities) => ({ ...run, capabilities })),
    ...without(run.mounts).map((mounts) => ({ ...run, mounts })),
    ...(run.user === "root" ? [{ ...run, user: "any" }] : []),
  ];
}

/** Runs with less than the table says that nobody has seen refused: there or with more. */
export function unproven(lines: readonly string[]): string[] {
  const refused = parse(lines, "REFUSED");
  const unseen = leastRuns(lines)
    .flatMap(withLess)
    .filter((less) => !refused.some((run) => noMore(less, run)))
    .map(({ mode, capabilities, mounts, user }) => {
      const [held, mounted] = [capabilities, mounts].map((names) => names.join(", ") || "nothing");
      return `${mode} with ${held}, ${mounted} mounted, user ${user}`;
    });
  return [...new Set(unseen)];
}

/** The table as Markdown, modes that need the same in one row; empty when no line was printed. */
export function renderPrivileges(lines: readonly string[]): string {
  const rows = new Map<string, string[]>();
  for (const { mode, capabilities, mounts, user, kept } of leastRuns(lines)) {
    const cells = [capabilities.join(", "), mounts.join(", ") || "nothing", user, kept.join(", ") || "nothing"];
    const key = cells.join(" | ");
    rows.set(key, [...(rows.get(key) ?? []), mode]);
  }
  if (rows.size === 0) return "";
  const body = [...rows].map(([key, modes]) => `| ${modes.sort().join(", ")} | ${key} |`).sort();
  return ["| mode | capabilities | mounted | user | kept |", "| --- | --- | --- | --- | --- |", ...body, ""].join("\n");
}

const between = (text: string) => (text.split(MARK).length === 3 ? text.split(MARK)[1]?.trim() : undefined);

/** Why the README's table is not the one just rendered; undefined where it is. */
export function comparePrivileges(readme: string, rendered: string): string | undefined {
  const written = between(readme);
  if (written === undefined) return `README.md has no two marks ${MARK}`;
  if (rendered === "") return "no container test printed a PRIVILEGES line";
  return written === rendered.trim()
    ? undefined
    : `README.md's table of privileges is not that of the tests:\n${rendered}`;
}

export function keepPrivileges(rendered: string): void {
  mkdirSync(join(ROOT, "build"), { recursive: true });
  writeFileSync(LAST, rendered);
}

/** The README as it is. */
export const readReadme = (): string => (existsSync(README) ? readFileSync(README, "utf8") : "");

if (import.meta.main) {
  const readme = readReadme();
  if (!existsSync(LAST)) throw new Error("Cannot find build/privileges.md: run npm test first");
  if (between(readme) === undefined) throw new Error(`Cannot find two marks ${MARK} in README.md`);
  const [before, , after] = readme.split(MARK);
  writeFileSync(README, [before, `\n${readFileSync(LAST, "utf8")}`, after].join(MARK));
}
