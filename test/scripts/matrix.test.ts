import { expect, test } from "bun:test";
import { compareMatrix, renderMatrix } from "../../scripts/matrix.ts";

const ALL = ["kprobe", "fentry", "tracepoint", "raw_tracepoint"].map((method) => `MATRIX 6.12 perf ${method} ok`);
const HERE = ["MATRIX 6.18 perf kprobe no ENOENT: no kprobes", "MATRIX 6.18 perf tracepoint ok"];
const readme = (table: string) => `# x\n<!-- matrix -->\n${table}\n<!-- matrix -->\n`;

test("the table names what worked, kernels in order of version, and why the rest did not", () => {
  const table = renderMatrix(["noise", ...HERE, ...ALL, "MATRIX 5.10 perf kprobe ok"]);
  expect(table).toContain(
    "| mode | 5.10 | 6.12 | 6.18 |\n| --- | --- | --- | --- |\n| perf | kprobe | all | tracepoint |",
  );
  expect(table).toContain("- 6.18, no kprobe: ENOENT: no kprobes");
});

test("a mode that no method works for is said once, and one that was not run is not said to fail", () => {
  const none = ["kprobe", "fentry", "tracepoint", "raw_tracepoint"].map((m) => `MATRIX 5.10 bloom ${m} no too old`);
  const table = renderMatrix([...ALL, ...none]);
  expect(table).toContain("| bloom | none | not run |\n| perf | not run | all |");
  expect(table.split("\n").filter((line) => line.startsWith("- "))).toEqual(["- 5.10, no bloom: too old"]);
});

test("a mode of one method that its kernel lacks is said by the mode's name", () => {
  const table = renderMatrix([
    ...ALL,
    "MATRIX 6.12 bloom raw_tracepoint ok",
    "MATRIX 5.10 bloom raw_tracepoint no too old",
  ]);
  expect(table).toContain("| bloom | none | raw_tracepoint |");
  expect(table.split("\n").filter((line) => line.startsWith("- "))).toEqual(["- 5.10, no bloom: too old"]);
});

test("a method that failed once has failed", () => {
  expect(renderMatrix([...ALL, "MATRIX 6.12 perf fentry no EPERM", ...ALL])).toContain(
    "| perf | kprobe, tracepoint, raw_tracepoint |",
  );
});

test("a README of the same run agrees", () => {
  const table = renderMatrix([...ALL, ...HERE]);
  expect(compareMatrix(readme(table), table, "6.18")).toEqual([]);
});

test("a README that claims more than ran, or leaves out a kernel, is found out", () => {
  const fewer = renderMatrix(ALL.slice(1));
  expect(compareMatrix(readme(renderMatrix(ALL)), fewer, "6.18")).toEqual([
    "perf on 6.12: README.md says all, the tests say fentry, tracepoint, raw_tracepoint",
  ]);
  expect(compareMatrix(readme(renderMatrix(HERE)), renderMatrix([...ALL, ...HERE]), "6.18")).toEqual([
    "perf on 6.12: README.md says nothing, the tests say all",
  ]);
});

test("this machine's kernel may be absent from a README made elsewhere", () => {
  expect(compareMatrix(readme(renderMatrix(ALL)), renderMatrix([...ALL, ...HERE]), "6.18")).toEqual([]);
});

test("no marks or no lines is no agreement", () => {
  expect(compareMatrix("# x", renderMatrix(ALL), "6.18")).toEqual(["README.md has no two marks <!-- matrix -->"]);
  expect(compareMatrix(readme(""), renderMatrix([]), "6.18")).toEqual(["no kernel test printed a MATRIX line"]);
});
