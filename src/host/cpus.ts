// Which CPUs this machine can have and which run now: the lists of /sys/devices/system/cpu
// (Documentation/admin-guide/cputopology.rst), such as `0-3,7`.

import { readFileSync } from "node:fs";
import { BPF_MAP_TYPE_PERCPU_ARRAY } from "elf-loader/uapi";
import { mapCreate, mapLookupElem } from "../sys/bpf.ts";
import { Fd } from "../sys/fd.ts";
import { withMemlockRaised } from "../sys/memlock.ts";
import { kernelError } from "./kernel-error.ts";

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

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

let possible: number | undefined;
/**
 * How many values a per-CPU map has: one a possible CPU, which may be more than are online. Never changes. Where sysfs is
 * not mounted the kernel is asked by a map. Throws where that is refused too.
 */
export function possibleCpuCount(): number {
  const list = possible === undefined ? readText("/sys/devices/system/cpu/possible") : undefined;
  possible ??= list === undefined ? countByMap() : parseCpuList(list).length;
  return possible;
}

const VALUE_SIZE = 8;
const MOST_CPUS = 8192; // NR_CPUS of the largest configuration

/** A per-CPU value of zeros copied over bytes that are not: as many are zero then as there are CPUs. */
function countByMap(): number {
  const fields = { map_type: BPF_MAP_TYPE_PERCPU_ARRAY, key_size: 4, value_size: VALUE_SIZE, max_entries: 1 };
  const number = withMemlockRaised(() => mapCreate(fields));
  using map = new Fd(number);
  const values = new Float64Array(MOST_CPUS).fill(1);
  const result = number < 0 ? number : mapLookupElem(map.number, new Uint32Array(1), values);
  if (result === 0) return values.indexOf(1);
  throw kernelError(result, {
    doing: "count the CPUs",
    call: number < 0 ? "bpf(BPF_MAP_CREATE)" : "bpf(BPF_MAP_LOOKUP_ELEM)",
    subject: "possible CPUs",
  });
}

/** The CPUs that run at this moment, by number, with gaps where one is offline; by /proc/stat where sysfs is not mounted. */
export function onlineCpus(): number[] {
  const list = readText("/sys/devices/system/cpu/online");
  if (list !== undefined) return parseCpuList(list);
  return [...(readText("/proc/stat") ?? "").matchAll(/^cpu(\d+) /gm)].map((match) => Number(match[1]));
}
