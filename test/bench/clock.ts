// Clocks of clock_gettime(2) that JavaScript has no name for.

import { dlopen } from "bun:ffi";
import { readFileSync } from "node:fs";

const { symbols } = dlopen("libc.so.6", { clock_gettime: { args: ["i32", "ptr"], returns: "i32" } });
const timespec = new BigInt64Array(2);

const CLOCK_MONOTONIC = 1;

function nanoseconds(clock: number): number {
  if (symbols.clock_gettime(clock, timespec) !== 0) throw new Error(`Cannot read clock ${clock}`);
  return Number((timespec[0] ?? 0n) * 1_000_000_000n + (timespec[1] ?? 0n));
}

/** What bpf_ktime_get_ns says. */
export const monotonic = (): number => nanoseconds(CLOCK_MONOTONIC);

/** On a CPU, of all threads that a process has or had: its CPUCLOCK_SCHED (include/linux/posix-timers.h). */
export const cpuOf = (pid: number): number => nanoseconds((~pid << 3) | 2);

const TICKS_PER_SECOND = 100; // USER_HZ

/** Seconds of CPU that this machine has spent on anything but idling (proc(5), /proc/stat). */
export function machineCpu(): number {
  const fields = readFileSync("/proc/stat", "utf8").split("\n")[0]?.trim().split(/\s+/).slice(1).map(Number) ?? [];
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = fields;
  return (user + nice + system + irq + softirq) / TICKS_PER_SECOND;
}
