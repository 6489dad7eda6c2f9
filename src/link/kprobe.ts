// kprobe and kretprobe: the entry or return of a kernel function, `function`, `function+offset` or `0xaddress`, by the
// kprobe PMU (kernel/trace/trace_event_perf.c, perf_kprobe_init). No tracefs, no name left in kprobe_events. How many
// returns are followed at once (maxactive) is the kernel's own choice then: only kprobe_events can be told.
// Looks at the options target and cookie.

import { existsSync } from "node:fs";
import { EINVAL, ENOENT, O_CLOEXEC, O_RDONLY } from "elf-loader/uapi";
import { closeHint } from "../host/close-names.ts";
import { addressesOf, kernelFunctionNames } from "../host/kernel-symbols.ts";
import type { AttachOptions, Hook, LoadedProgram } from "../program/hook.ts";
import { cString, open } from "../sys/libc.ts";
import { perfEventOpen } from "../sys/perf-event.ts";
import { readText } from "../sys/read.ts";
import type { Fields } from "../sys/struct.ts";
import type { BpfLink } from "./link.ts";
import { attachToPerfEvent } from "./perf-event-link.ts";
import { refuse, targetOf, unusable } from "./refuse.ts";

/** Where sysfs lists what counts and probes. */
const PMUS = "/sys/bus/event_source/devices";

/** The first number that a file of sysfs has by this pattern, or -errno. */
function numberIn(path: string, pattern: RegExp): number {
  const text = readText(open(path, O_RDONLY | O_CLOEXEC));
  return typeof text === "number" ? text : Number(pattern.exec(text)?.[1] ?? -EINVAL);
}

/**
 * The PMU's number and the bit that makes it probe returns. Throws UnsupportedError where the kernel has none, or there
 * is no sysfs to say its number.
 */
export function probePmu(pmu: "kprobe" | "uprobe", program: LoadedProgram, place: string) {
  const path = `${PMUS}/${pmu}/type`;
  const type = numberIn(path, /^(\d+)/);
  if (type > 0) return { type, returns: 2 ** Math.max(0, numberIn(`${PMUS}/${pmu}/format/retprobe`, /config:(\d+)/)) };
  throw refuse(type, program, place, `open(${path})`, {
    unsupported: type === -ENOENT,
    ...(type === -ENOENT && withoutPmu(pmu)),
  });
}

/** Why sysfs does not list it. */
function withoutPmu(pmu: string): { likely: string; action: string } {
  if (!existsSync(PMUS))
    return { likely: "no sysfs is mounted at /sys", action: "mount it: mount -t sysfs sysfs /sys" };
  const likely = `the kernel was built without CONFIG_${pmu.toUpperCase()}_EVENTS, or has no ${pmu} PMU (4.17)`;
  return { likely, action: "attach by another hook" };
}

/** Splits `name+offset`, the offset decimal or 0x…; 0 where there is none. */
export function splitOffset(target: string): { symbol: string; offset: number } {
  const [, symbol = target, offset = "0"] = /^(.+?)\+(0x[0-9a-f]+|\d+)$/i.exec(target) ?? [];
  return { symbol, offset: Number(offset) };
}

/** What the PMU is told: a name and an offset, or an address alone. */
function probeFields(symbol: string, offset: number): Fields {
  if (/^0x[0-9a-f]+$/i.test(symbol)) return { kprobe_addr: BigInt(symbol) + BigInt(offset) };
  return { kprobe_func: cString(symbol), probe_offset: offset };
}

/** What the kernel's answer means, by errno. */
function explain(result: number, symbol: string): { likely: string; action: string } {
  if (result !== -ENOENT)
    return { likely: `the kernel does not let ${symbol} be probed`, action: "attach by another hook" };
  const hint = closeHint(symbol, kernelFunctionNames());
  return { likely: `the kernel has no function ${symbol}${hint}`, action: "look for the name in /proc/kallsyms" };
}

/** Functions made by SYSCALL_DEFINE (asm/syscall_wrapper.h) and addresses: of each there is one, so no look is needed. */
const ONLY_ONE = /^(__\w+?_sys_|0x)/;

/** Older kernels take the first of several functions of one name; newer ones refuse with EADDRNOTAVAIL. */
function checkUnique(program: LoadedProgram, place: string, symbol: string): void {
  const addresses = ONLY_ONE.test(symbol) ? [] : addressesOf(symbol);
  if (addresses.length <= 1) return;
  const why = `${addresses.length} functions are called ${symbol}: ${addresses.join(", ")}`;
  throw unusable(program, place, why, "attach to one of these addresses instead of the name");
}

/** `hook`: what it is called in messages. */
export function attachKprobe(
  program: LoadedProgram,
  hook: string,
  target: string,
  isReturn: boolean,
  options: AttachOptions,
): BpfLink {
  const { symbol, offset } = splitOffset(target);
  const place = `${hook} ${target}`;
  if (isReturn && offset > 0) throw unusable(program, place, "a return has no offset", `attach to ${symbol}`);
  const { type, returns } = probePmu("kprobe", program, place);
  checkUnique(program, place, symbol);
  const event = perfEventOpen({ type, config: isReturn ? returns : 0, ...probeFields(symbol, offset) }, -1, 0);
  if (event >= 0) return attachToPerfEvent(program, event, hook, target, options);
  throw refuse(event, program, place, "perf_event_open()", {
    needs: ["CAP_PERFMON"],
    kind: "perf",
    ...explain(event, symbol),
  });
}

const FUNCTION = "a kernel function";

export const kprobe: Hook = {
  name: "kprobe",
  attach: (program, options) => attachKprobe(program, "kprobe", targetOf(program, options, FUNCTION), false, options),
};

export const kretprobe: Hook = {
  name: "kretprobe",
  attach: (program, options) => attachKprobe(program, "kretprobe", targetOf(program, options, FUNCTION), true, options),
};
