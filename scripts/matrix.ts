// The README's table of mode × attach × kernel, made from what the kernel tests printed and from nothing else.
//
// A test that has run a mode by an attach method prints `MATRIX KERNEL MODE ATTACH ok|no REASON`. Each cell of the
// table names the methods that worked, or says "all". `npm run matrix` puts the table of the last whole test run,
// build/matrix.md, into README.md; the test command compares the two.

import { mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

const ROOT = resolve(import.meta.dir, "..");
const README = join(ROOT, "README.md");
const LAST = join(ROOT, "build/matrix.md");
const MARK = "<!-- matrix -->";
const METHODS = ["kprobe", "fentry", "tracepoint", "raw_tracepoint"];

/** The version the kernel tests print for this machine's own kernel: as Debian's guests are called. */
export const hostKernel = (release: string): string => release.split(".").slice(0, 2).join(".");

/** Of each kernel and mode, the methods tried: undefined where one worked, or why it did not. */
type Observed = Map<string, Map<string, Map<string, string | undefined>>>;

/** Reads MATRIX lines. A method that failed once has failed, however often it worked. */
function observe(lines: readonly string[]): Observed {
  const observed: Observed = new Map();
  for (const line of lines) {
    const match = /^MATRIX (\S+) (\S+) (\S+) (ok|no)(?: (.*))?$/.exec(line);
    if (!match) continue;
    const [, kernel = "", mode = "", method = "", verdict, reason = ""] = match;
    const modes = observed.get(kernel) ?? new Map();
    const methods = modes.get(mode) ?? new Map();
    if (verdict === "no" || !methods.has(method)) methods.set(method, verdict === "no" ? reason : undefined);
    observed.set(kernel, modes.set(mode, methods));
  }
  return observed;
}

function cell(methods: ReadonlyMap<string, string | undefined> | undefined): string {
  if (!methods) return "not run";
  const working = [...(methods ?? [])].flatMap(([method, reason]) => (reason === undefined ? [method] : []));
  if (METHODS.every((method) => working.includes(method))) return "all";
  working.sort((a, b) => METHODS.indexOf(a) - METHODS.indexOf(b));
  return working.join(", ") || "none";
}

/** Why methods were refused, a line for each kernel and reason. */
function refusals(observed: Observed): string[] {
  const lines = new Set<string>();
  for (const [kernel, modes] of observed)
    for (const [mode, methods] of modes)
      for (const [method, reason] of methods) {
        // What is missing whatever the method is a matter of the mode.
        const reasons = new Set(methods.values());
        const missing = reasons.size === 1 ? mode : method;
        if (reason !== undefined) lines.add(`- ${kernel}, no ${missing}: ${reason || "no reason given"}`);
      }
  return [...lines].sort();
}

const byNumber = (a: string, b: string) => a.localeCompare(b, "en", { numeric: true });

/** The table and what it leaves unsaid, as Markdown; empty when no MATRIX line was printed. */
export function renderMatrix(printed: readonly string[]): string {
  const observed = observe(printed);
  const kernels = [...observed.keys()].sort(byNumber);
  const modes = [...new Set([...observed.values()].flatMap((of) => [...of.keys()]))].sort();
  if (modes.length === 0) return "";
  const row = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [
    row(["mode", ...kernels]),
    row(["---", ...kernels.map(() => "---")]),
    ...modes.map((mode) => row([mode, ...kernels.map((kernel) => cell(observed.get(kernel)?.get(mode)))])),
    ...["", `"all" is ${METHODS.slice(0, -1).join(", ")} and ${METHODS.at(-1)}.`, ...refusals(observed), ""],
  ].join("\n");
}

/** The cells of a rendered table, by "mode kernel". */
function cells(markdown: string): Map<string, string> {
  const rows = markdown.split("\n").filter((line) => line.startsWith("|") && !line.startsWith("| ---"));
  const [kernels = [], ...body] = rows.map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((text) => text.trim()),
  );
  return new Map(
    body.flatMap(([mode, ...row]) => row.map((text, index) => [`${mode} on ${kernels[index + 1]}`, text])),
  );
}

/** What lies between the two marks of a text, or undefined without both. */
const between = (text: string) => (text.split(MARK).length === 3 ? text.split(MARK)[1] : undefined);

/**
 * Where the README's table and the one just printed differ, a line each. A kernel that is in the README only as the
 * kernel of another machine cannot be compared here, but each that ran must be in it.
 */
export function compareMatrix(readme: string, rendered: string, mayBeAbsent: string): string[] {
  const written = between(readme);
  if (written === undefined) return [`README.md has no two marks ${MARK}`];
  const [there, here] = [cells(written), cells(rendered)];
  if (here.size === 0) return ["no kernel test printed a MATRIX line"];
  return [...here].flatMap(([key, value]) => {
    const old = there.get(key);
    if (old === value || (old === undefined && key.endsWith(` on ${mayBeAbsent}`))) return [];
    return [`${key}: README.md says ${old ?? "nothing"}, the tests say ${value}`];
  });
}

export function keepMatrix(rendered: string): void {
  mkdirSync(join(ROOT, "build"), { recursive: true });
  writeFileSync(LAST, rendered);
}

if (import.meta.main) {
  const readme = await Bun.file(README).text();
  if (!(await Bun.file(LAST).exists())) throw new Error("Cannot find build/matrix.md: run npm test first");
  if (between(readme) === undefined) throw new Error(`Cannot find two marks ${MARK} in README.md`);
  const [before, , after] = readme.split(MARK);
  await Bun.write(README, [before, `\n${await Bun.file(LAST).text()}`, after].join(MARK));
}
