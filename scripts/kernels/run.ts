// Runs the kernel tests, then the executable alone, on one guest kernel.

import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { failure, judge, ROOT, type SuiteResult, testArguments, unable } from "../suite.ts";
import { type BootResult, boot } from "./boot.ts";
import { kernelImage } from "./download.ts";
import { bareInitramfs, testInitramfs } from "./initramfs.ts";
import type { Guest } from "./table.ts";

const FOLDER = join(ROOT, "build/guests");
const QEMU = "/usr/bin/qemu-system-x86_64";

/** Software emulation is 5 to 15 times slower than the host: limits that catch a hang, not a slow machine. */
const TESTS_MS = 10 * 60_000;
const PER_TEST_MS = 180_000;
const BARE_MS = 3 * 60_000;

/** What each mode must print when run alone by a kprobe, and how it is run; /init starts the processes to be seen. */
const BARE_RUNS: readonly { readonly arguments: string; readonly expected: RegExp }[] = [
  { arguments: "--version", expected: /\d+\.\d+\.\d+/ },
  { arguments: "--mode trace --attach kprobe --count 3 -- /init exec 50", expected: /Hello World!/ },
  { arguments: "--mode map --attach kprobe --interval 1 --count 1 -- /init exec 4000", expected: /^ID 0: \d+\t/ },
  { arguments: "--mode perf --attach kprobe --count 3 -- /init exec 50", expected: /^\d+ 0 init Hello World$/ },
  { arguments: "--mode ring --attach kprobe --count 3 -- /init exec 50", expected: /^\d+ 0 init Hello World$/ },
];

const nonce = () => `guest-${crypto.randomUUID()}`;

/** The archives are the same for all guests of a run: built once, removed by `removeArchives`. */
export interface Archives {
  readonly tests: { readonly path: string; readonly nonce: string };
  readonly bare: { readonly path: string; readonly nonce: string };
}

/** Archives of runs that were killed: 330 MB each time. */
function removeLeftovers(): void {
  for (const name of readdirSync(FOLDER)) {
    const pid = /\.(\d+)\.cpio/.exec(name)?.[1];
    if (pid && !existsSync(`/proc/${pid}`)) rmSync(join(FOLDER, name));
  }
}

/** Packs what the guests boot into. Throws an Error where busybox cannot be had or the bare init does not compile. */
export async function packArchives(paths: readonly string[]): Promise<Archives> {
  mkdirSync(FOLDER, { recursive: true });
  removeLeftovers();
  const tests = { path: join(FOLDER, `tests.${process.pid}.cpio`), nonce: nonce() };
  const bare = { path: join(FOLDER, `bare.${process.pid}.cpio`), nonce: nonce() };
  const script = `exec bun ${testArguments(paths, "/tmp/junit.xml", PER_TEST_MS).join(" ")}\n`;
  const environment = { HOME: "/root", PATH: "/bin", TMPDIR: "/tmp", NO_COLOR: "1", CI: process.env.CI ?? "" };
  await testInitramfs(tests.path, { script, environment, nonce: tests.nonce });
  bareInitramfs(
    bare.path,
    bare.nonce,
    BARE_RUNS.map((run) => `/hello-ebpf ${run.arguments}`),
  );
  return { tests, bare };
}

export function removeArchives({ tests, bare }: Archives): void {
  for (const { path } of [tests, bare]) for (const file of [path, `${path}.init`]) rmSync(file, { force: true });
}

/** A guest that was never heard of did not run; one that died while it ran is a failure everywhere. */
function lost(name: string, result: BootResult): SuiteResult {
  const note = result.trouble ?? "no result";
  return result.output.length > 0 ? { ...failure(name, note), lines: result.output } : unable(name, note);
}

/** The kernel's own complaint counts as a failure beside the tests'. */
function withTrouble(suite: SuiteResult, trouble: string | undefined): SuiteResult {
  return trouble ? { ...suite, failed: suite.failed + 1, notes: [...suite.notes, trouble] } : suite;
}

async function runKernelTests(guest: Guest, kernel: string, archive: Archives["tests"]): Promise<SuiteResult> {
  const name = `kernel ${guest.id}`;
  const result = await boot({
    ...{ kernel, initramfs: archive.path, nonce: archive.nonce, timeoutMs: TESTS_MS, memoryMiB: 2048 },
    console: join(FOLDER, `tests-${guest.id}.log`),
    kernelArguments: `HELLO_EBPF_KERNEL=${guest.id}`,
    onLine: (line) => console.log(`[${guest.id}] ${line}`),
  });
  if (result.status === undefined) return lost(name, result);
  return withTrouble(judge(name, result.report.join("\n"), result.status, result.output), result.trouble);
}

/** The output of each command, with the status that our init printed after it. */
function splitRuns(output: readonly string[], nonce: string): { lines: string[]; status: number }[] {
  const runs: { lines: string[]; status: number }[] = [];
  let lines: string[] = [];
  for (const line of output) {
    const status = new RegExp(`^${nonce} status (\\d+)$`).exec(line)?.[1];
    if (status === undefined) lines.push(line);
    else {
      runs.push({ lines, status: Number(status) });
      lines = [];
    }
  }
  return runs;
}

/** The executable in a guest that holds only it and libc: each command line is one test. */
async function runBare(guest: Guest, kernel: string, archive: Archives["bare"]): Promise<SuiteResult> {
  const name = `bare ${guest.id}`;
  const result = await boot({
    ...{ kernel, initramfs: archive.path, nonce: archive.nonce, timeoutMs: BARE_MS, memoryMiB: 1024 },
    console: join(FOLDER, `bare-${guest.id}.log`),
    kernelArguments: "",
  });
  if (result.output.length === 0) return lost(name, result);
  const runs = splitRuns(result.output, archive.nonce);
  const notes = BARE_RUNS.flatMap(({ arguments: line, expected }, index) => {
    const run = runs[index];
    if (run?.status === 0 && run.lines.some((text) => expected.test(text))) return [];
    return [`${line}: status ${run?.status ?? "none"}, ${run?.lines.filter(Boolean).join(" | ") || "no output"}`];
  });
  const failed = notes.length;
  const suite = { name, passed: BARE_RUNS.length - failed, failed, skipped: 0, notes, lines: result.output };
  return withTrouble(suite, result.trouble);
}

/** All there is to run on one guest, one boot after the other. */
export async function runGuest(guest: Guest, archives: Archives): Promise<SuiteResult[]> {
  try {
    if (!existsSync(QEMU)) throw new Error("qemu-system-x86 is not installed");
    const kernel = await kernelImage(guest);
    return [await runKernelTests(guest, kernel, archives.tests), await runBare(guest, kernel, archives.bare)];
  } catch (error) {
    return [unable(`kernel ${guest.id}`, error instanceof Error ? error.message : String(error))];
  }
}
