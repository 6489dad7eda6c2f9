// npm run bench: what the executable and the library take, as medians of interleaved runs beside their budgets.
//
// Needs root and a kernel with ring buffers. --tiny runs everything once with small sizes: the figures mean nothing then.

import { missingNamespaces } from "../kernel/namespaces.ts";
import { draining } from "./draining.ts";
import { executableSize, idleRing, ringStart, versionStart } from "./executable.ts";
import { forwarding } from "./forwarding.ts";
import { loading } from "./loading.ts";
import { proxying } from "./proxying.ts";
import { median, quantile, type Row, render } from "./table.ts";
import { wakeUps } from "./wake-up.ts";

const tiny = process.argv.includes("--tiny");
const ROUNDS = tiny ? 1 : 15;
const IDLE_ROUNDS = tiny ? 1 : 3;
const IDLE_MS = tiny ? 100 : 10_000;
const WAKE_UPS = tiny ? 20 : 1000;
const DRAINS = tiny ? 2 : 20;
const BUFFER = tiny ? 64 << 10 : 4 << 20;

const row = (name: string, unit: string, budget?: number): Row => ({ name, unit, budget, better: "less", values: [] });

/** Starts, interleaved. */
async function starts(): Promise<Row[]> {
  const version = row("--version, start to end", "ms", 20);
  const ring = row("--mode ring, start to attached", "ms", 80);
  const json = row("--mode ring --output jsonl, start to attached", "ms");
  for (let round = 0; round < ROUNDS; round++) {
    version.values.push(versionStart());
    ring.values.push(await ringStart("text"));
    json.values.push(await ringStart("jsonl"));
  }
  return [version, ring, json];
}

async function idle(): Promise<Row[]> {
  const resident = row("--mode ring, idle: resident", "MB", 60);
  const cpu = row("--mode ring, idle: CPU", "%", 0.5);
  for (let round = 0; round < IDLE_ROUNDS; round++) {
    const figures = await idleRing(tiny ? 0 : 1000, IDLE_MS);
    resident.values.push(figures.resident);
    cpu.values.push(figures.cpu);
  }
  return [resident, cpu];
}

async function latency(): Promise<Row[]> {
  const middle = row("ring buffer: submit to woken, median", "µs", 100);
  const late = row("ring buffer: submit to woken, p99", "µs");
  for (let round = 0; round < IDLE_ROUNDS; round++) {
    const latencies = await wakeUps(WAKE_UPS);
    middle.values.push(median(latencies));
    late.values.push(quantile(latencies, 0.99));
  }
  return [middle, late];
}

const rows = [
  ...(await starts()),
  ...(await idle()),
  { ...row("executable", "MB", 115), values: [executableSize()] },
  ...(await latency()),
  ...(await loading(tiny ? 1 : 7, tiny ? 2 : 12)),
  ...draining("ring", 16, DRAINS, BUFFER),
  ...draining("ring", 65536, DRAINS, BUFFER)
    .slice(2)
    .map((one) => ({ ...one, budget: undefined })),
  ...draining("perf", 16, DRAINS, BUFFER),
  ...(await proxying(IDLE_ROUNDS, tiny ? 1 << 20 : 1 << 30)),
  ...(missingNamespaces() ? [] : await forwarding(IDLE_ROUNDS, tiny ? 50 : 2000)),
];
console.log(render(rows));
