// raw_tracepoint: a tracepoint with its arguments as the kernel passes them (kernel/trace/bpf_trace.c, 4.17). Needs
// neither tracefs nor perf.

import { ENOENT } from "elf-loader/uapi";
import { kernelError } from "../host/kernel-error.ts";
import type { Hook } from "../program/hook.ts";
import { rawTracepointOpen } from "../sys/bpf.ts";
import { Fd } from "../sys/fd.ts";
import { cString } from "../sys/libc.ts";
import { BpfLink } from "./link.ts";

export const rawTracepoint: Hook = {
  name: "raw_tracepoint",
  attach(program, target) {
    const fd = rawTracepointOpen({ name: cString(target), prog_fd: program.fd.number });
    if (fd < 0) {
      throw kernelError(fd, {
        doing: `attach program ${program.name} to raw_tracepoint ${target}`,
        call: "bpf(BPF_RAW_TRACEPOINT_OPEN)",
        subject: `program ${program.name}`,
        needs: ["CAP_BPF", "CAP_PERFMON"],
        attaching: true,
        ...(fd === -ENOENT
          ? { likely: `the kernel has no tracepoint ${target}`, action: "attach by another hook" }
          : {}),
      });
    }
    return new BpfLink("raw_tracepoint", target, "link", [new Fd(fd)]);
  },
};
