// uprobe and uretprobe: a function of an executable or library, at its entry (or an offset) or return, by the uprobe PMU
// (kernel/trace/trace_event_perf.c, perf_uprobe_init, 4.17). The target is as in user-target.ts.
// They look at the options target, pid (of one process; of all where nothing is said) and cookie (5.15).

import { EACCES, EINVAL, ENOENT, PERF_COUNT_SW_CPU_CLOCK, PERF_TYPE_SOFTWARE } from "elf-loader/uapi";
import type { AttachOptions, Hook, LoadedProgram } from "../program/hook.ts";
import { close, cString } from "../sys/libc.ts";
import { perfEventOpen } from "../sys/perf-event.ts";
import { probePmu } from "./kprobe.ts";
import type { BpfLink } from "./link.ts";
import { attachToPerfEvent } from "./perf-event-link.ts";
import { refuse, targetOf, unusable } from "./refuse.ts";
import { fileOffset, userTarget } from "./user-target.ts";

/** A place in a file. */
export interface UserProbe {
  readonly path: string;
  /** Bytes from the start of the file. */
  readonly offset: number;
  readonly isReturn: boolean;
  /** Where in the file a counter is that says how many look: a semaphore of a static marker (4.20). */
  readonly semaphore?: number;
}

/**
 * Since 6.16 and its stable kernels only CAP_SYS_ADMIN may probe user space, where before CAP_PERFMON was enough
 * (perf_uprobe_event_init): it is that where a counter of the whole CPU is granted and a probe is not.
 */
function neededFor(result: number): string[] {
  const counter = perfEventOpen({ type: PERF_TYPE_SOFTWARE, config: PERF_COUNT_SW_CPU_CLOCK }, -1, 0);
  if (counter >= 0) close(counter);
  return [result === -EACCES && counter >= 0 ? "CAP_SYS_ADMIN" : "CAP_PERFMON"];
}

/** `hook` and `target`: what it is called. */
export function attachUprobe(
  program: LoadedProgram,
  hook: string,
  target: string,
  probe: UserProbe,
  options: AttachOptions,
): BpfLink {
  const place = `${hook} ${target}`;
  const { type, returns } = probePmu("uprobe", program, place);
  const semaphore = BigInt(probe.semaphore ?? 0) << 32n; // format/ref_ctr_offset: config:32-63
  const event = perfEventOpen(
    {
      type,
      config: semaphore | BigInt(probe.isReturn ? returns : 0),
      uprobe_path: cString(probe.path),
      probe_offset: probe.offset,
    },
    options.pid ?? -1,
    options.pid === undefined ? 0 : -1,
  );
  if (event >= 0) return attachToPerfEvent(program, event, hook, target, options);
  const likely =
    event === -ENOENT
      ? `there is no file ${probe.path}`
      : event === -EINVAL
        ? "no instruction begins there, or it is none that can be probed"
        : "the process is gone, or its code cannot be probed";
  const more = { needs: neededFor(event), kind: "perf" as const, likely, action: "give another place" };
  throw refuse(event, program, place, "perf_event_open()", more);
}

function uprobeHook(name: string, isReturn: boolean): Hook {
  return {
    name,
    attach(program, options) {
      const target = targetOf(program, options, "PATH:FUNCTION");
      const place = userTarget(program, name, target);
      if (isReturn && /\+/.test(place.what)) throw unusable(program, `${name} ${target}`, "a return has no offset");
      const offset = fileOffset(program, name, place);
      return attachUprobe(program, name, target, { path: place.path, offset, isReturn }, options);
    },
  };
}

export const uprobe = uprobeHook("uprobe", false);
export const uretprobe = uprobeHook("uretprobe", true);
