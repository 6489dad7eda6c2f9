// Runs one suite of tests as a process of its own and counts what came of it.
//
// The counts come from bun's JUnit report, not from the text it prints. A suite that crashes, or ends with a status
// that its report does not explain, is one failure more: it must never look like fewer tests.

import { rmSync } from "node:fs";
import { join, resolve } from "node:path";

export const ROOT = resolve(import.meta.dir, "..");

/** What a suite came to. `notes` say why something was skipped or how it died; `lines` are all it printed. */
export interface SuiteResult {
  readonly name: string;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly notes: readonly string[];
  readonly lines: readonly string[];
}

const NOTHING = { passed: 0, failed: 0, skipped: 0, notes: [], lines: [] };
export const failure = (name: string, note: string): SuiteResult => ({ ...NOTHING, name, failed: 1, notes: [note] });
export const skip = (name: string, note: string): SuiteResult => ({ ...NOTHING, name, skipped: 1, notes: [note] });

/** A suite that cannot run here: in CI that is a failure, elsewhere a skip. */
export const unable = (name: string, note: string) => (process.env.CI ? failure(name, note) : skip(name, note));

/** Counts of a JUnit report: the attributes of its <testsuites>. Undefined where there is none. */
function junitCounts(report: string): { tests: number; failures: number; skipped: number } | undefined {
  const tag = /<testsuites\b[^>]*>/.exec(report)?.[0];
  if (!tag || !report.includes("</testsuites>")) return undefined;
  const attribute = (name: string) => Number(new RegExp(`\\b${name}="(\\d+)"`).exec(tag)?.[1] ?? 0);
  return { tests: attribute("tests"), failures: attribute("failures"), skipped: attribute("skipped") };
}

/** The result of a `bun test`, from its report and exit status (undefined: killed). */
export function judge(name: string, report: string, status: number | undefined, lines: readonly string[]): SuiteResult {
  const counts = junitCounts(report);
  if (!counts) return { ...failure(name, `died with status ${status ?? "unknown"}, without a report`), lines };
  const { tests, failures, skipped } = counts;
  const passed = tests - failures - skipped;
  const unexplained = status !== 0 && failures === 0;
  const notes = unexplained ? [`ended with status ${status ?? "unknown"} though no test failed`] : [];
  return { name, passed, failed: failures + (unexplained ? 1 : 0), skipped, notes, lines };
}

/** What failed in a suite, a line each: its tests by name, as bun says them (again at the end), or why the suite did. */
export function failedTests({ name, failed, lines, notes }: SuiteResult): readonly string[] {
  if (failed === 0) return [];
  const tests = new Set(
    lines.filter((line) => line.startsWith("(fail) ")).map((line) => line.replace(/ \[[\d.]+ms\]$/, "")),
  );
  const why = tests.size < failed ? [notes.join("; ") || `${failed} of its tests`] : [];
  return [...tests, ...why].map((line) => `${name}: ${line.replace("(fail) ", "")}`);
}

/** Copies a stream to standard output as it comes, each line after a prefix, and answers the lines. */
async function follow(stream: ReadableStream<Uint8Array>, prefix: string): Promise<string[]> {
  const lines: string[] = [];
  const decoder = new TextDecoder();
  let rest = "";
  const take = (line: string) => {
    lines.push(line);
    console.log(prefix + line);
  };
  for await (const chunk of stream) {
    const parts = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = parts.pop() ?? "";
    parts.forEach(take);
  }
  if (rest) take(rest);
  return lines;
}

/** Runs a command in the checkout, its output on ours; status undefined when it was killed, by us after timeoutMs. */
async function run(command: string[], timeoutMs: number, environment: Record<string, string>) {
  const child = Bun.spawn(command, {
    cwd: ROOT,
    env: { ...process.env, NO_COLOR: "1", ...environment },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    timeout: timeoutMs,
    killSignal: "SIGKILL",
  });
  const lines = (await Promise.all([follow(child.stdout, ""), follow(child.stderr, "")])).flat();
  await child.exited;
  return { status: child.signalCode ? undefined : (child.exitCode ?? undefined), lines };
}

/** A check that passes or fails as a whole counts as one test. */
export async function runCheck(name: string, command: string[]): Promise<SuiteResult> {
  const { status, lines } = await run(command, 300_000, {});
  return status === 0 ? { ...NOTHING, name, passed: 1, lines } : { ...failure(name, `status ${status}`), lines };
}

/** Arguments of `bun test` that every suite is run with. */
export const testArguments = (paths: readonly string[], report: string, perTestMs: number): string[] => [
  ...["test", "--timeout", `${perTestMs}`, "--reporter=junit", `--reporter-outfile=${report}`],
  ...paths.map((path) => `./${path}`),
];

/** Runs `bun test` on folders or files of the checkout: one file after the other, or `workers` at once. */
export async function runTests(
  name: string,
  paths: readonly string[],
  { timeoutMs = 600_000, perTestMs = 60_000, workers = 1, environment = {} as Record<string, string> } = {},
): Promise<SuiteResult> {
  // Without a path bun would run everything.
  if (paths.length === 0) return failure(name, "has no tests");
  const report = join(ROOT, `build/junit.${process.pid}.xml`);
  rmSync(report, { force: true });
  const parallel = workers > 1 ? [`--parallel=${workers}`] : [];
  const command = [process.execPath, ...testArguments(paths, report, perTestMs), ...parallel];
  const { status, lines } = await run(command, timeoutMs, environment);
  const text = await Bun.file(report)
    .text()
    .catch(() => "");
  rmSync(report, { force: true });
  return judge(name, text, status, lines);
}
