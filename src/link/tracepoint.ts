// tracepoint: an event of tracefs, `category/name`, through its perf event (kernel/trace/trace_event_perf.c).
// Looks at the options target and cookie.

import { EACCES, ENOENT, EPERM, PERF_TYPE_TRACEPOINT } from "elf-loader/uapi";
import { closeHint } from "../host/close-names.ts";
import { kernelError } from "../host/kernel-error.ts";
import { Tracefs, tracefsNeeds } from "../host/tracefs.ts";
import type { Hook, LoadedProgram } from "../program/hook.ts";
import { perfEventOpen } from "../sys/perf-event.ts";
import { attachToPerfEvent } from "./perf-event-link.ts";
import { refuse as refusal, targetOf, unusable } from "./refuse.ts";

const ELSEWHERE = "attach by raw_tracepoint, which needs no tracefs";
const LISTED = "name one of those in available_events of tracefs";

/** The number perf knows the event by; throws where tracefs or the event is not to be had. */
function tracepointId(program: LoadedProgram, target: string): number {
  const refuse = (result: number, call: string, likely: string, action = ELSEWHERE) =>
    kernelError(result, {
      doing: `attach program ${program.name} to tracepoint ${target}`,
      call,
      subject: `program ${program.name}`,
      needs: tracefsNeeds(result, call),
      kind: "tracefs",
      attaching: result === -ENOENT || result === -EPERM || result === -EACCES,
      unsupported: result !== -ENOENT,
      likely,
      action,
    });
  const tracefs = Tracefs.find();
  if (!(tracefs instanceof Tracefs)) throw refuse(tracefs.result, tracefs.call, "the kernel was built without tracefs");
  using files = tracefs;
  const id = files.read(`events/${target}/id`);
  if (typeof id === "string") return Number(id);
  const hint = id === -ENOENT ? closeHint(target, eventNames(files)) : "";
  const ofSyscall = target.startsWith("syscalls/");
  const likely = `the kernel has no tracepoint ${target}${hint}`;
  throw refuse(id, `open(events/${target}/id)`, likely, id === -ENOENT && !ofSyscall ? LISTED : ELSEWHERE);
}

/** Every `category/name`. */
function eventNames(files: Tracefs): string[] {
  const events = files.readAll("available_events");
  return typeof events === "string" ? events.trim().replaceAll(":", "/").split("\n") : [];
}

export const tracepoint: Hook = {
  name: "tracepoint",
  attach(program, options) {
    const target = targetOf(program, options, "category/name of a tracepoint");
    if (!/^[\w-]+\/[\w-]+$/.test(target)) {
      throw unusable(program, `tracepoint ${target}`, "expected category/name");
    }
    const event = perfEventOpen({ type: PERF_TYPE_TRACEPOINT, config: tracepointId(program, target) }, -1, 0);
    if (event < 0)
      throw refusal(event, program, `tracepoint ${target}`, "perf_event_open()", {
        needs: ["CAP_PERFMON"],
        kind: "perf",
      });
    return attachToPerfEvent(program, event, "tracepoint", target, options);
  },
};
