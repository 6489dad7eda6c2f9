// Opening, relocating and loading three objects of libbpf-tools, by the library and by libbpf in turns, each reading the
// kernel's types anew. The kernel's own time, most of it the verifier's, is what libbpf waits for in its system calls, and
// is taken off both.

import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { objectsOf } from "../../scripts/corpus/collect.ts";
import { libbpfLoad } from "../../scripts/corpus/libbpf.ts";
import { PACKAGES } from "../../scripts/corpus/packages.ts";
import { BpfError, BpfObject, parseObject } from "../../src/index.ts";
import { median, type Row } from "./table.ts";

const EXECUTABLE = join(resolve(import.meta.dir, "../.."), "hello-ebpf");
/** Loads before the first that counts: until then the JIT compiles. The last row is what it costs without. */
const WARM_UP = 20;
const TOOLS = ["execsnoop", "opensnoop", "runqlat"];

/** Milliseconds: all of it, and what of it the kernel had. */
function byLibbpf(program: string, object: string, times: number): { total: number; kernel: number } {
  const { exitCode, stdout } = Bun.spawnSync([program, "--time", `${times}`, object]);
  if (exitCode !== 0) throw new Error(`libbpf cannot load ${object}`);
  const figures = stdout
    .toString()
    .trim()
    .split("\n")
    .map((line) => line.split(" ").map(Number));
  return {
    total: median(figures.map(([total = 0]) => total)),
    kernel: median(figures.map(([, kernel = 0]) => kernel)),
  };
}

/** Milliseconds of each load by the library, in this process. */
async function byUs(object: string, times: number): Promise<number[]> {
  const took: number[] = [];
  for (let i = 0; i < times; i++) {
    await Bun.sleep(1); // the kernel's types are kept to the end of a turn at the least
    Bun.gc(true);
    const start = performance.now();
    BpfObject.load(parseObject(readFileSync(object), "bench")).close();
    took.push(performance.now() - start);
  }
  return took;
}

/** Processor time of a process that loads one object and ends, less that of one that loads none: ms. */
function once(object: string): number {
  const run = (...args: string[]) =>
    Number(Bun.spawnSync([EXECUTABLE, ...args], { stdout: "ignore" }).resourceUsage.cpuTime.total) / 1000;
  return run("load", object) - run("--version");
}

/** MB of 10^6 bytes that one process has at the most that loads all of a folder one after the other. */
function wholeFolder(folder: string): Row {
  const objects = readdirSync(folder).map((name) => join(folder, name));
  const { resourceUsage } = Bun.spawnSync([EXECUTABLE, "load", ...objects], { stdout: "ignore", stderr: "ignore" });
  const name = `load all ${objects.length} of libbpf-tools in one process: most resident`;
  return { name, unit: "MB", budget: 300, better: "less", values: [resourceUsage.maxRSS / 1e6] };
}

/** Descriptors that are more after the library has loaded and closed all of a folder, or failed to. */
function descriptorsLeft(folder: string): Row {
  const open = () => readdirSync("/proc/self/fd").length;
  const before = open();
  for (const name of readdirSync(folder)) {
    try {
      BpfObject.load(parseObject(readFileSync(join(folder, name)), name)).close();
    } catch (error) {
      if (!(error instanceof BpfError)) throw error; // what this kernel refuses leaves nothing either
    }
  }
  const name = "load all of libbpf-tools in one process: descriptors left";
  return { name, unit: "", budget: 0, better: "less", values: [open() - before] };
}

/** Rows for each object; none, with the reason on standard error, where libbpf or the objects cannot be had. */
export async function loading(rounds: number, times: number): Promise<Row[]> {
  try {
    const tools = PACKAGES.find(({ id }) => id === "libbpf-tools-trixie");
    if (!tools) throw new Error("no package of libbpf-tools");
    const { path, version } = libbpfLoad();
    const folder = objectsOf(tools);
    const rows: Row[] = [];
    for (const tool of TOOLS)
      rows.push(...(await rowsOf(tool, join(folder, `${tool}-libbpf.bpf.o`), path, version, rounds, times)));
    return [...rows, wholeFolder(folder), descriptorsLeft(folder)];
  } catch (error) {
    console.error(`Loading is not measured: ${error instanceof Error ? error.message : error}`);
    return [];
  }
}

async function rowsOf(
  tool: string,
  object: string,
  libbpf: string,
  version: string,
  rounds: number,
  times: number,
): Promise<Row[]> {
  const row = (name: string, unit: string, budget?: number): Row => ({
    name,
    unit,
    budget,
    better: "less",
    values: [],
  });
  const ratio = row(`load ${tool}: user space beside libbpf ${version}'s`, "times", 1.5);
  const ours = row(`load ${tool}: all, by the library`, "ms");
  const theirs = row(`load ${tool}: all, by libbpf`, "ms");
  const first = row(`load ${tool}: by the executable, once and cold: processor time`, "ms");
  await byUs(object, WARM_UP);
  for (let round = 0; round < rounds; round++) {
    const { total, kernel } = byLibbpf(libbpf, object, times);
    const own = median(await byUs(object, times));
    ours.values.push(own);
    theirs.values.push(total);
    ratio.values.push((own - kernel) / (total - kernel));
    first.values.push(once(object));
  }
  return [ratio, ours, theirs, first];
}
