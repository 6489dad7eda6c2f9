import { expect, test } from "bun:test";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { failedTests, judge, ROOT, runTests, unable } from "../../scripts/suite.ts";

const REPORT = `<testsuites name="bun test" tests="5" assertions="9" failures="1" skipped="2" time="0.1"></testsuites>`;

test("counts are the report's", () => {
  expect(judge("x", REPORT, 1, [])).toMatchObject({ passed: 2, failed: 1, skipped: 2 });
});

test("an end that the report does not explain is one failure more", () => {
  expect(judge("x", REPORT.replace(`failures="1"`, `failures="0"`), 1, [])).toMatchObject({ passed: 3, failed: 1 });
  expect(judge("x", REPORT.replace(`failures="1"`, `failures="0"`), undefined, [])).toMatchObject({ failed: 1 });
});

test("no report, or half of one, is one failure whatever the status", () => {
  expect(judge("x", "", 0, [])).toMatchObject({ passed: 0, failed: 1, skipped: 0 });
  expect(judge("x", REPORT.slice(0, -8), 0, [])).toMatchObject({ passed: 0, failed: 1 });
});

test("what failed is said by name, once, or why the suite did", () => {
  const lines = ["(fail) a > b [12.30ms]", "(pass) c", "(fail) a > b [12.30ms]"];
  expect(failedTests(judge("x", REPORT, 1, lines))).toEqual(["x: a > b"]);
  expect(failedTests(judge("x", "", undefined, lines))).toEqual(["x: a > b"]);
  expect(failedTests(judge("x", "", undefined, []))).toEqual(["x: died with status unknown, without a report"]);
  expect(failedTests(judge("x", REPORT.replace(`failures="1"`, `failures="0"`), 0, lines))).toEqual([]);
});

test("a suite that cannot run is a failure in CI, elsewhere a skip that says why", () => {
  const ci = process.env.CI;
  try {
    process.env.CI = "true";
    expect(unable("x", "no such kernel")).toMatchObject({ failed: 1, skipped: 0, notes: ["no such kernel"] });
    process.env.CI = "";
    expect(unable("x", "no such kernel")).toMatchObject({ failed: 0, skipped: 1, notes: ["no such kernel"] });
  } finally {
    if (ci === undefined) delete process.env.CI;
    else process.env.CI = ci;
  }
});

test("the last line of the test command is the count, alone on the line", () => {
  const { exitCode, stdout } = Bun.spawnSync([process.execPath, "scripts/test.ts", "--no-guests", "--only", "guests"], {
    cwd: ROOT,
  });
  expect(stdout.toString().split("\n").slice(-2)).toEqual(["0 passed, 0 failed, 0 skipped", ""]);
  expect(exitCode).toBe(0);
}, 60_000);

test("CI runs the test command and ends with its status", () => {
  const folder = mkdtempSync(join(tmpdir(), "ci-"));
  writeFileSync(join(folder, "npm"), '#!/bin/sh\necho "$PWD $* $CI"\nexit 3\n');
  chmodSync(join(folder, "npm"), 0o755);
  const env = { PATH: `${folder}:${process.env.PATH}` };
  const { exitCode, stdout } = Bun.spawnSync(["bash", join(ROOT, ".ci/run")], { env, cwd: "/" });
  rmSync(folder, { recursive: true });
  expect([exitCode, stdout.toString()]).toEqual([3, `${ROOT} test --silent true\n`]);
});

/** Runs a real test file, outside the checkout. */
async function run(source: string) {
  const folder = mkdtempSync(join(tmpdir(), "suite-"));
  await Bun.write(join(folder, "a.test.ts"), `import { expect, test } from "bun:test";\n${source}`);
  try {
    return await runTests("x", [relative(ROOT, folder)], { timeoutMs: 1_500 });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("real runs are counted: good, crashed, broken, hung", async () => {
  expect(await run(`test("a", () => {}); test.skip("b", () => {});`)).toMatchObject({
    passed: 1,
    failed: 0,
    skipped: 1,
  });
  expect(await run(`test("a", () => {}); test("b", () => process.kill(process.pid, 11));`)).toMatchObject({
    failed: 1,
  });
  expect(await run("throw new Error('broken');")).toMatchObject({ passed: 0, failed: 1 });
  expect(await run(`test("a", () => { process.exit(0); });`)).toMatchObject({ passed: 0, failed: 1 });
  expect(await run(`test("a", () => { for (;;); });`)).toMatchObject({ passed: 0, failed: 1 });
});
