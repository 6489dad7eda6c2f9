// perf_event: a sample, every so many events or so many times a second, of a counter of software or hardware, by the
// names that perf(1) has for them (kernel/events/core.c; perf_event_open(2)). On every CPU that runs, one link each.
// Looks at the options target (the counter; "cpu-clock" where nothing is said), frequency (49 a second where nothing is
// said) or period, pid, cpu and cookie (5.15).

import {
  ENOENT,
  EOPNOTSUPP,
  PERF_COUNT_HW_BRANCH_INSTRUCTIONS,
  PERF_COUNT_HW_BRANCH_MISSES,
  PERF_COUNT_HW_BUS_CYCLES,
  PERF_COUNT_HW_CACHE_MISSES,
  PERF_COUNT_HW_CACHE_REFERENCES,
  PERF_COUNT_HW_CPU_CYCLES,
  PERF_COUNT_HW_INSTRUCTIONS,
  PERF_COUNT_HW_REF_CPU_CYCLES,
  PERF_COUNT_HW_STALLED_CYCLES_BACKEND,
  PERF_COUNT_HW_STALLED_CYCLES_FRONTEND,
  PERF_COUNT_SW_CONTEXT_SWITCHES,
  PERF_COUNT_SW_CPU_CLOCK,
  PERF_COUNT_SW_CPU_MIGRATIONS,
  PERF_COUNT_SW_PAGE_FAULTS,
  PERF_COUNT_SW_PAGE_FAULTS_MAJ,
  PERF_COUNT_SW_PAGE_FAULTS_MIN,
  PERF_COUNT_SW_TASK_CLOCK,
  PERF_TYPE_HARDWARE,
  PERF_TYPE_SOFTWARE,
} from "elf-loader/uapi";
import { closeHint } from "../host/close-names.ts";
import { onlineCpus } from "../host/cpus.ts";
import type { AttachOptions, Hook, LoadedProgram } from "../program/hook.ts";
import { perfEventOpen } from "../sys/perf-event.ts";
import type { Fields } from "../sys/struct.ts";
import { LinkGroup } from "./link-group.ts";
import { attachToPerfEvent } from "./perf-event-link.ts";
import { refuse, unusable } from "./refuse.ts";

const software = (config: number): Fields => ({ type: PERF_TYPE_SOFTWARE, config });
const hardware = (config: number): Fields => ({ type: PERF_TYPE_HARDWARE, config });

const COUNTERS: { readonly [name: string]: Fields } = {
  "cpu-clock": software(PERF_COUNT_SW_CPU_CLOCK),
  "task-clock": software(PERF_COUNT_SW_TASK_CLOCK),
  "page-faults": software(PERF_COUNT_SW_PAGE_FAULTS),
  "minor-faults": software(PERF_COUNT_SW_PAGE_FAULTS_MIN),
  "major-faults": software(PERF_COUNT_SW_PAGE_FAULTS_MAJ),
  "context-switches": software(PERF_COUNT_SW_CONTEXT_SWITCHES),
  "cpu-migrations": software(PERF_COUNT_SW_CPU_MIGRATIONS),
  cycles: hardware(PERF_COUNT_HW_CPU_CYCLES),
  instructions: hardware(PERF_COUNT_HW_INSTRUCTIONS),
  "cache-references": hardware(PERF_COUNT_HW_CACHE_REFERENCES),
  "cache-misses": hardware(PERF_COUNT_HW_CACHE_MISSES),
  branches: hardware(PERF_COUNT_HW_BRANCH_INSTRUCTIONS),
  "branch-misses": hardware(PERF_COUNT_HW_BRANCH_MISSES),
  "bus-cycles": hardware(PERF_COUNT_HW_BUS_CYCLES),
  "stalled-cycles-frontend": hardware(PERF_COUNT_HW_STALLED_CYCLES_FRONTEND),
  "stalled-cycles-backend": hardware(PERF_COUNT_HW_STALLED_CYCLES_BACKEND),
  "ref-cycles": hardware(PERF_COUNT_HW_REF_CPU_CYCLES),
};

const DEFAULT_COUNTER = "cpu-clock";
const DEFAULT_FREQUENCY = 49; // not a multiple of what else happens regularly

/** How often. */
function rate({ period, frequency = DEFAULT_FREQUENCY }: AttachOptions): Fields {
  return period === undefined ? { sample_freq: frequency, freq: 1 } : { sample_period: period };
}

function sample(program: LoadedProgram, name: string, counter: Fields, options: AttachOptions, cpu: number) {
  const event = perfEventOpen({ ...counter, ...rate(options) }, options.pid ?? -1, cpu);
  if (event >= 0) return attachToPerfEvent(program, event, "perf_event", name, options);
  throw refuse(event, program, `perf_event ${name}`, "perf_event_open()", {
    needs: ["CAP_PERFMON"],
    kind: "perf",
    unsupported: event === -ENOENT || event === -EOPNOTSUPP,
    likely: `this machine has no counter ${name}`,
    action: "sample cpu-clock, which every machine has",
  });
}

export const perfEvent: Hook = {
  name: "perf_event",
  attach(program, options) {
    const name = options.target ?? DEFAULT_COUNTER;
    const counter = COUNTERS[name];
    if (!counter)
      throw unusable(program, `perf_event ${name}`, `no such counter${closeHint(name, Object.keys(COUNTERS))}`);
    // A process is followed to whatever CPU it is on.
    const everywhere = options.pid === undefined ? onlineCpus() : [-1];
    const cpus = options.cpu === undefined ? everywhere : [options.cpu];
    return LinkGroup.attach("perf_event", name, cpus, (cpu) => sample(program, name, counter, options, cpu));
  },
};
