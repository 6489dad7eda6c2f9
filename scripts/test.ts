// The test command: every suite in order, what fails fast first, and one count at the end.
//
// bun scripts/test.ts [--no-guests] [--only host|release|guests] [GUEST ...] [PATH ...]. With paths (test/kernel/…)
// guests run only the tests there. Its last line is `N passed, N failed, N skipped`, and it exits with 1 if anything
// failed. What a suite printed is on standard output as it came.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { availableParallelism, release } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { buildBpf } from "./build-bpf.ts";
import { Archives, runGuest } from "./kernels/run.ts";
import { GUESTS, type Guest } from "./kernels/table.ts";
import { compareMatrix, hostKernel, keepMatrix, renderMatrix } from "./matrix.ts";
import { muslUnavailable } from "./musl/ready.ts";
import { FetchError } from "./release/fetch-error.ts";
import { comparePrivileges, keepPrivileges, readReadme, renderPrivileges, unproven } from "./release/privileges.ts";
import { release as makeRelease } from "./release.ts";
import { failedTests, failure, ROOT, runCheck, runTests, type SuiteResult, unable } from "./suite.ts";

/** Folders of test/ that are not simply run with the rest. */
const KERNEL = "test/kernel";
const HARDENING = "test/hardening";
const RELEASE = "test/release";
const MUSL = "test/musl";
const NOT_PURE = new Set(["kernel", "hardening", "bench", "release", "musl", "fixtures"]);

/** What --only takes. */
const PARTS = ["host", "release", "guests"];

/** Emulated machines at a time, each of two processors: see runGuests. */
const GUESTS_AT_ONCE = 2;

const results: SuiteResult[] = [];

/** Keeps a result and says what came of it at once. */
function keep(result: SuiteResult): void {
  results.push(result);
  for (const note of result.notes) console.log(`${result.name}: ${note}`);
  console.log(`== ${result.name}: ${result.passed} passed, ${result.failed} failed, ${result.skipped} skipped\n`);
}

/** Types, format, lint and import direction: one test each. */
async function runChecks(): Promise<void> {
  const bin = (name: string) => join(ROOT, "node_modules/.bin", name);
  keep(await runCheck("types", [bin("tsc"), "--noEmit"]));
  keep(await runCheck("format and lint", [bin("biome"), "check", "--error-on-warnings", "--colors=off"]));
  keep(await runCheck("import direction", [process.execPath, "scripts/check-imports.ts"]));
}

/** The folders below test/ that need neither root nor a kernel of their own, as paths. */
function pureFolders(): string[] {
  const entries = readdirSync(join(ROOT, "test"), { withFileTypes: true });
  const holdsTests = (name: string) =>
    readdirSync(join(ROOT, "test", name), { recursive: true, encoding: "utf8" }).some((file) =>
      /\.test\.ts$/.test(file),
    );
  const folders = entries.filter((entry) => entry.isDirectory() && !NOT_PURE.has(entry.name) && holdsTests(entry.name));
  return folders.map((entry) => `test/${entry.name}`).sort();
}

async function runAsRoot(name: string, folder: string, environment: Record<string, string>): Promise<void> {
  if (process.getuid?.() !== 0) keep(unable(name, "needs root"));
  else keep(await runTests(name, [folder], { environment }));
}

async function runHost(): Promise<void> {
  // They share nothing; kernel tests see each other's programs, so those go one after the other.
  keep(await runTests("pure", pureFolders(), { workers: availableParallelism() }));
  const environment = { HELLO_EBPF_KERNEL: hostKernel(release()) };
  await runAsRoot("kernel here", KERNEL, environment);
  keep(await runTests("hardening", [HARDENING]));
}

/** The release itself, made anew in dist/, and its images in containers. The network or its lack is not our failure. */
async function runRelease(): Promise<void> {
  const made = await makeRelease(join(ROOT, "dist")).catch((error: Error) => error);
  if (made instanceof FetchError) keep(unable("release", made.message));
  else if (made instanceof Error) keep(failure("release", made.message));
  else {
    await runAsRoot("release", RELEASE, {});
    checkPrivileges();
  }
}

/** After a whole suite of containers: the table it makes, and whether README.md has the same. */
function checkPrivileges(): void {
  const suite = results.find(({ name }) => name === "release");
  if (!suite || suite.skipped > 0 || suite.failed > 0) return;
  const rendered = renderPrivileges(suite.lines);
  keepPrivileges(rendered);
  const difference = comparePrivileges(readReadme(), rendered);
  if (difference) keep(failure("privileges", difference));
  for (const less of unproven(suite.lines))
    keep(failure("privileges", `no run was refused that would show the least: ${less}`));
}

/** The musl executables, after the release that made them. */
async function runMusl(): Promise<void> {
  const reason = muslUnavailable();
  if (reason) keep(unable("musl", reason));
  else await runAsRoot("musl", MUSL, { HELLO_EBPF_KERNEL: hostKernel(release()) });
}

/**
 * All guests, some at once, the `first` job as one of them. A guest's second processor is mostly idle: on two processors
 * four guests that only boot and end take 20 s two at once and 30 s one after the other.
 */
async function runGuests(guests: readonly Guest[], first: () => Promise<void>): Promise<void> {
  const archives = new Archives(paths.length > 0 ? paths : [KERNEL]);
  const done = first();
  const queue = [...guests];
  const worker = async (begin: Promise<void>) => {
    await begin;
    for (let guest = queue.shift(); guest; guest = queue.shift()) {
      if (guest.architecture !== "amd64") await done; // they run what the release has made
      for (const result of await runGuest(guest, archives)) keep(result);
    }
  };
  await Promise.all(
    Array.from({ length: GUESTS_AT_ONCE }, (_, index) => worker(index === 0 ? done : Promise.resolve())),
  );
  archives.remove();
}

/** After a whole run: the table it makes, and whether README.md has the same. */
function checkMatrix(): void {
  const rendered = renderMatrix(results.flatMap((result) => result.lines));
  keepMatrix(rendered);
  const readme = existsSync(join(ROOT, "README.md")) ? readFileSync(join(ROOT, "README.md"), "utf8") : "";
  const differences = compareMatrix(readme, rendered, hostKernel(release()));
  if (differences.length > 0) keep({ ...failure("matrix", "npm run matrix rewrites it"), lines: differences });
  else keep({ name: "matrix", passed: 1, failed: 0, skipped: 0, notes: [], lines: [] });
  for (const difference of differences) console.log(difference);
}

/** Guests named on the command line, all without a name. Ends the process for a name there is not. */
function chosen(names: readonly string[]): readonly Guest[] {
  const unknown = names.filter((name) => name !== "all" && !GUESTS.some((guest) => guest.id === name));
  if (unknown.length > 0) {
    console.error(`Cannot find guest ${unknown.join(", ")}: there are ${GUESTS.map((guest) => guest.id).join(", ")}`);
    process.exit(2);
  }
  return names.length === 0 || names.includes("all") ? GUESTS : GUESTS.filter((guest) => names.includes(guest.id));
}

const sum = (field: "passed" | "failed" | "skipped") => results.reduce((total, result) => total + result[field], 0);

const { values, positionals } = parseArgs({
  options: { "no-guests": { type: "boolean" }, only: { type: "string" } },
  allowPositionals: true,
});
if (values.only !== undefined && !PARTS.includes(values.only)) {
  console.error(`Cannot run only ${values.only}: there are ${PARTS.join(", ")}`);
  process.exit(2);
}
const paths = positionals.filter((word) => word.includes("/"));
const guests = chosen(positionals.filter((word) => !word.includes("/")));
const whole = !values["no-guests"] && values.only === undefined;

/** The eBPF programs that tests load. Without them the rest would fail for the wrong reason, and does so all the same. */
async function compileFixtures(): Promise<void> {
  await buildBpf(true).catch((error: Error) => keep(failure("fixtures", error.message)));
}

async function runAll(): Promise<void> {
  const wanted = (part: string) => values.only === undefined || values.only === part;
  await compileFixtures();
  if (wanted("host")) {
    await runChecks();
    await runHost();
  }
  if (values["no-guests"]) return;
  // Neither looks at the clock: what they leave of two processors a guest can have.
  const releaseAndMusl = async () => {
    if (!wanted("release")) return;
    await runRelease();
    await runMusl();
  };
  if (wanted("guests")) await runGuests(guests, releaseAndMusl);
  else await releaseAndMusl();
  if (whole) checkMatrix();
}

await runAll().catch((error: Error) => keep(failure("test command", error.stack ?? error.message)));
for (const result of results) for (const line of failedTests(result)) console.log(`failed: ${line}`);
console.log(`${sum("passed")} passed, ${sum("failed")} failed, ${sum("skipped")} skipped`);
// Not process.exit: it would cut what a pipe has not taken yet.
process.exitCode = sum("failed") > 0 ? 1 : 0;
