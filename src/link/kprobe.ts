// kprobe and kretprobe: the entry or return of a kernel function, by the kprobe PMU (kernel/trace/trace_event_perf.c,
// perf_kprobe_init). No tracefs, no name left in kprobe_events.

import { readFileSync } from "node:fs";
import { UnsupportedError } from "elf-loader";
import { ENOENT } from "elf-loader/uapi";
import { kernelError } from "../host/kernel-error.ts";
import type { Hook, LoadedProgram } from "../program/hook.ts";
import { cString } from "../sys/libc.ts";
import { perfEventOpen } from "../sys/perf-event.ts";
import { attachToPerfEvent } from "./perf-event-link.ts";

const PMU = "/sys/bus/event_source/devices/kprobe";

/** A number that the PMU's directory in sysfs says; undefined where there is no such PMU. */
function pmuNumber(file: string, pattern: RegExp): number | undefined {
  try {
    return Number(pattern.exec(readFileSync(`${PMU}/${file}`, "utf8"))?.[1]);
  } catch {
    return undefined;
  }
}

function attach(program: LoadedProgram, hook: string, target: string, isReturn: boolean) {
  const type = pmuNumber("type", /^(\d+)/);
  if (type === undefined) {
    const call = `open(${PMU}/type)`;
    throw new UnsupportedError(`Cannot attach program ${program.name} to ${hook} ${target}: ${call} gave ENOENT`, {
      call,
      errno: "ENOENT",
      subject: `program ${program.name}`,
      likely: "the kernel was built without CONFIG_KPROBE_EVENTS, or has no kprobe PMU (4.17)",
      action: "attach by another hook",
    });
  }
  const [, symbol = target, offset = "0"] = /^(.*?)(?:\+(0x[0-9a-f]+|\d+))?$/i.exec(target) ?? [];
  const name = cString(symbol);
  const returnBit = isReturn ? 2 ** (pmuNumber("format/retprobe", /config:(\d+)/) ?? 0) : 0;
  const event = perfEventOpen({ type, config: returnBit, kprobe_func: name, probe_offset: Number(offset) }, -1, 0);
  if (event < 0) {
    throw kernelError(event, {
      doing: `attach program ${program.name} to ${hook} ${target}`,
      call: "perf_event_open()",
      subject: `program ${program.name}`,
      needs: ["CAP_PERFMON"],
      kind: "perf",
      attaching: true,
      ...(event === -ENOENT
        ? { likely: `the kernel has no function ${symbol}`, action: "look for the name in /proc/kallsyms" }
        : { likely: `the kernel does not let ${symbol} be probed`, action: "attach by another hook" }),
    });
  }
  return attachToPerfEvent(program, event, hook, target);
}

export const kprobe: Hook = {
  name: "kprobe",
  attach: (program, target) => attach(program, "kprobe", target, false),
};

export const kretprobe: Hook = {
  name: "kretprobe",
  attach: (program, target) => attach(program, "kretprobe", target, true),
};
