// Which CPUs this machine can have and which run now: the lists of /sys/devices/system/cpu
// (Documentation/admin-guide/cputopology.rst), such as `0-3,7`.

import { readFileSync } from "node:fs";

/** Every number of a kernel CPU list; [] for an empty one. */
export function parseCpuList(text: string): number[] {
  const cpus: number[] = [];
  for (const range of text.trim().split(",")) {
    if (range === "") continue;
    const match = /^(\d+)(?:-(\d+))?$/.exec(range);
    if (!match) throw new Error(`Cannot parse CPU list ${JSON.stringify(text)}`);
    const first = Number(match[1]);
    const last = Number(match[2] ?? match[1]);
    for (let cpu = first; cpu <= last; cpu++) cpus.push(cpu);
  }
  return cpus;
}

function readCpuList(name: "possible" | "online"): number[] {
  return parseCpuList(readFileSync(`/sys/devices/system/cpu/${name}`, "utf8"));
}

let possible: number | undefined;
/** How many values a per-CPU map has: one a possible CPU, which may be more than are online. Never changes. */
export function possibleCpuCount(): number {
  possible ??= readCpuList("possible").length;
  return possible;
}

/** The CPUs that run at this moment, by number, with gaps where one is offline. */
export function onlineCpus(): number[] {
  return readCpuList("online");
}
