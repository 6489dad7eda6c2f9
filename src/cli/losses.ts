// What programs could not hand over is said while it happens, not only summed up at the end.

import type { BpfObject } from "../index.ts";
import { accountsOfCpus } from "./accounts.ts";
import type { Report } from "./report.ts";

/** Reading the accounts is a call into the kernel: not for every event. */
const LOOK_MS = 1000;

/** Says what was lost on each CPU since it was last said; `look` at most once in LOOK_MS. */
export interface Losses {
  look(): void;
  finish(): void;
}

/** `full`: what had no room. */
export function losses(object: BpfObject, report: Report, full: string): Losses {
  const told: number[] = [];
  let next = performance.now() + LOOK_MS;
  const finish = () => {
    for (const [cpu, { lost }] of accountsOfCpus(object).entries()) {
      const count = Number(lost) - (told[cpu] ?? 0);
      if (count > 0) report.lost(cpu, count, full);
      told[cpu] = Number(lost);
    }
  };
  const look = () => {
    const now = performance.now();
    if (now < next) return;
    next = now + LOOK_MS;
    finish();
  };
  return { look, finish };
}
