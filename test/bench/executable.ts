// The executable as its user meets it: how fast it starts, what it takes while nothing happens.

import { readFileSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { cpuOf } from "./clock.ts";

const EXECUTABLE = join(resolve(import.meta.dir, "../.."), "hello-ebpf");
/** Ring mode with nothing to report: no process 1 calls execve. */
const IDLE = ["--mode", "ring", "--pid", "1"];

/** MB, of 10^6 bytes. */
export const executableSize = (): number => statSync(EXECUTABLE).size / 1e6;

/** Milliseconds from before the process is made until it has ended. */
export function versionStart(): number {
  const start = performance.now();
  const { exitCode } = Bun.spawnSync([EXECUTABLE, "--version"], { stdout: "ignore" });
  if (exitCode !== 0) throw new Error(`--version ended with ${exitCode}`);
  return performance.now() - start;
}

/**
 * Ring mode that has said it is attached, and how many milliseconds that took from before the process was made. As text
 * that is a line on standard error; as JSON a record, with more to find out before.
 */
async function startRing(output: "text" | "jsonl") {
  const start = performance.now();
  const child = Bun.spawn([EXECUTABLE, ...IDLE, "--output", output], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const reader = (output === "text" ? child.stderr : child.stdout).getReader();
  const decoder = new TextDecoder();
  let text = "";
  while (!text.includes("attached")) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`--mode ring ended with ${await child.exited}: ${text}`);
    text += decoder.decode(value, { stream: true });
  }
  const ms = performance.now() - start;
  const stop = async () => {
    reader.releaseLock();
    child.kill("SIGTERM");
    await child.exited;
  };
  return { pid: child.pid, ms, stop };
}

export async function ringStart(output: "text" | "jsonl"): Promise<number> {
  const { ms, stop } = await startRing(output);
  await stop();
  return ms;
}

/** Resident memory (MB of 10^6 bytes) and share of one CPU (percent) over so many milliseconds of nothing to do. */
export async function idleRing(settleMs: number, ms: number): Promise<{ resident: number; cpu: number }> {
  const { pid, stop } = await startRing("text");
  await Bun.sleep(settleMs);
  const [before, start] = [cpuOf(pid), performance.now()];
  await Bun.sleep(ms);
  const cpu = (cpuOf(pid) - before) / 1e4 / (performance.now() - start);
  const kilobytes = Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
  await stop();
  return { resident: (kilobytes * 1024) / 1e6, cpu };
}
