import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { judge, ROOT, runTests } from "../../scripts/suite.ts";

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
