// Runs of the executable in a guest that holds it, libc and nothing else: each command line is one test, judged by its
// status and by the lines it wrote.

import { join } from "node:path";
import { ROOT, type SuiteResult, unable } from "../suite.ts";
import { type BootResult, boot } from "./boot.ts";
import { MACHINES } from "./machines.ts";
import type { Guest } from "./table.ts";

/** Software emulation is slow, and slower where others use the processors too. */
const BARE_MS = 6 * 60_000;

/** Undefined where the lines are as they should be, otherwise what is wrong. */
export type Check = (lines: readonly string[]) => string | undefined;

/** A command line of a bare guest, and what must come of it. */
export interface BareRun {
  readonly command: string;
  /** 0 unless given. */
  readonly status?: number;
  readonly checks: readonly Check[];
  /** What the matrix is told when the run is as it should be; LINE is replaced by the last line it wrote. */
  readonly says?: string;
}

/** So many lines match; any number but none where no number is given. */
export const prints =
  (pattern: RegExp, times?: number): Check =>
  (lines) => {
    const found = lines.filter((line) => pattern.test(line)).length;
    if (times === undefined ? found > 0 : found === times) return undefined;
    return `${found} lines like ${pattern.source}, expected ${times ?? "some"}`;
  };

/** What was printed between two of init's own lines. */
interface Ran {
  readonly lines: readonly string[];
  readonly status: number;
}

/** The output of each command, with the status that our init printed after it. */
function splitRuns(output: readonly string[], nonce: string): Ran[] {
  const runs: Ran[] = [];
  let lines: string[] = [];
  for (const line of output) {
    const status = new RegExp(`^${nonce} status (\\d+)$`).exec(line)?.[1];
    if (status === undefined) lines.push(line);
    else {
      runs.push({ lines: lines.filter(Boolean), status: Number(status) });
      lines = [];
    }
  }
  return runs;
}

/** What is wrong with a run; empty when nothing is. */
function faults(run: BareRun, ran: Ran | undefined): string[] {
  if (!ran) return ["it never ran"];
  const found = run.checks.map((check) => check(ran.lines)).filter((fault) => fault !== undefined);
  if (ran.status !== (run.status ?? 0)) found.unshift(`status ${ran.status}`);
  return found.length === 0 ? [] : [...found, `it said ${ran.lines.slice(-3).join(" | ") || "nothing"}`];
}

/** The suite's result from what the guest printed. */
function judgeRuns(name: string, runs: readonly BareRun[], rans: readonly Ran[]): SuiteResult {
  const notes: string[] = [];
  const lines: string[] = [];
  for (const [index, run] of runs.entries()) {
    const wrong = faults(run, rans[index]);
    if (wrong.length > 0) notes.push(`${run.command}: ${wrong.join("; ")}`);
    else if (run.says) lines.push(run.says.replace("LINE", rans[index]?.lines.at(-1) ?? ""));
  }
  for (const line of lines) console.log(`[${name}] ${line}`);
  return { name, passed: runs.length - notes.length, failed: notes.length, skipped: 0, notes, lines };
}

/** The kernel's own complaint counts as a failure beside the tests'. */
export function withTrouble(suite: SuiteResult, trouble: string | undefined): SuiteResult {
  return trouble ? { ...suite, failed: suite.failed + 1, notes: [...suite.notes, trouble] } : suite;
}

/** What a bare guest boots into. */
export interface BareArchive {
  readonly path: string;
  readonly nonce: string;
}

/** Boots a guest into an archive whose commands are those of `runs`, and judges each. */
export async function runBare(
  guest: Guest,
  kernel: string,
  archive: BareArchive,
  runs: readonly BareRun[],
): Promise<SuiteResult> {
  const name = `bare ${guest.id}`;
  const result: BootResult = await boot({
    ...{ kernel, initramfs: archive.path, nonce: archive.nonce, timeoutMs: BARE_MS, memoryMiB: 1536 },
    machine: MACHINES[guest.architecture],
    console: join(ROOT, `build/guests/bare-${guest.id}.log`),
    kernelArguments: "",
  });
  if (result.output.length === 0) return unable(name, result.trouble ?? "no result");
  return withTrouble(judgeRuns(name, runs, splitRuns(result.output, archive.nonce)), result.trouble);
}
