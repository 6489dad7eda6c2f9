// Programs that run on a perf event: kprobes and tracepoints (kernel/events/core.c, perf_event_set_bpf_prog).

import { BPF_PERF_EVENT, EINVAL } from "elf-loader/uapi";
import { kernelError } from "../host/kernel-error.ts";
import type { LoadedProgram } from "../program/hook.ts";
import { linkCreate } from "../sys/bpf.ts";
import { Fd } from "../sys/fd.ts";
import { perfEventEnable, perfEventSetBpf } from "../sys/perf-event.ts";
import { BpfLink } from "./link.ts";

/**
 * Attaches to an open perf event, which it takes over: by a bpf_link (5.15), else by the ioctl that came before it.
 * The event is enabled last, so that nothing fires half attached.
 */
export function attachToPerfEvent(program: LoadedProgram, eventFd: number, hook: string, target: string): BpfLink {
  const event = new Fd(eventFd);
  const fail = (result: number, call: string) => {
    event.close();
    return kernelError(result, {
      doing: `attach program ${program.name} to ${hook} ${target}`,
      call,
      subject: `program ${program.name}`,
      needs: ["CAP_BPF", "CAP_PERFMON"],
      attaching: true,
    });
  };
  const link = linkCreate({ prog_fd: program.fd.number, target_fd: event.number, attach_type: BPF_PERF_EVENT });
  // Kernels without such links answer EINVAL: they know no link for this program type.
  if (link < 0 && link !== -EINVAL) throw fail(link, "bpf(BPF_LINK_CREATE)");
  if (link < 0) {
    const set = perfEventSetBpf(event.number, program.fd.number);
    if (set < 0) throw fail(set, "ioctl(PERF_EVENT_IOC_SET_BPF)");
  }
  const enabled = perfEventEnable(event.number);
  if (enabled < 0) {
    if (link >= 0) new Fd(link).close();
    throw fail(enabled, "ioctl(PERF_EVENT_IOC_ENABLE)");
  }
  return link < 0
    ? new BpfLink(hook, target, "ioctl", [event])
    : new BpfLink(hook, target, "link", [new Fd(link), event]);
}
