// raw_tracepoint: a tracepoint with its arguments as the kernel passes them (kernel/trace/bpf_trace.c, 4.17). Needs
// neither tracefs nor perf. Looks at the options target and cookie (6.10).

import { EINVAL, ENOENT } from "elf-loader/uapi";
import { closeHint } from "../host/close-names.ts";
import { kernelFunctionNames } from "../host/kernel-symbols.ts";
import type { Hook } from "../program/hook.ts";
import { rawTracepointOpen } from "../sys/bpf.ts";
import { cString } from "../sys/libc.ts";
import { asLink } from "./link.ts";
import { noCookie } from "./perf-event-link.ts";
import { cookieOf, refuse, targetOf } from "./refuse.ts";

/** What calls a tracepoint's programs is a function of its own (include/linux/tracepoint.h, 5.10). */
const ITERATOR = "__traceiter_";

/** The names of all tracepoints, as far as the kernel's symbols are to be had. */
export function* tracepointNames(): Generator<string> {
  for (const name of kernelFunctionNames()) if (name.startsWith(ITERATOR)) yield name.slice(ITERATOR.length);
}

export const rawTracepoint: Hook = {
  name: "raw_tracepoint",
  attach(program, options) {
    const target = targetOf(program, options, "a tracepoint");
    const place = `raw_tracepoint ${target}`;
    const cookie = cookieOf(options);
    const fd = rawTracepointOpen({ name: cString(target), prog_fd: program.fd.number, cookie });
    if (fd >= 0) return asLink(fd, "raw_tracepoint", target);
    if (fd === -EINVAL && cookie) throw noCookie(program, place, "6.10");
    const missing = () => ({
      likely: `the kernel has no tracepoint ${target}${closeHint(target, tracepointNames())}`,
      action: "attach by another hook",
    });
    throw refuse(fd, program, place, "bpf(BPF_RAW_TRACEPOINT_OPEN)", fd === -ENOENT ? missing() : {});
  },
};
