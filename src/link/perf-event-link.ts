// Programs that run on a perf event: probes, tracepoints, samples (kernel/events/core.c, perf_event_set_bpf_prog).

import { UnsupportedError } from "elf-loader";
import { BPF_PERF_EVENT, EINVAL } from "elf-loader/uapi";
import type { AttachOptions, LoadedProgram } from "../program/hook.ts";
import { linkCreate } from "../sys/bpf.ts";
import { Fd } from "../sys/fd.ts";
import { perfEventEnable, perfEventSetBpf } from "../sys/perf-event.ts";
import { BpfLink } from "./link.ts";
import { cookieOf, refuse } from "./refuse.ts";

/**
 * Attaches to an open perf event, which it takes over: by a bpf_link (5.15), else by the ioctl that came before it, which
 * has no cookie. The event is enabled last, so that nothing fires half attached.
 */
export function attachToPerfEvent(
  program: LoadedProgram,
  eventFd: number,
  hook: string,
  target: string,
  options: AttachOptions,
): BpfLink {
  const event = new Fd(eventFd);
  const place = `${hook} ${target}`;
  const fail = (result: number, call: string) => {
    event.close();
    return refuse(result, program, place, call);
  };
  const link = linkCreate({
    prog_fd: program.fd.number,
    target_fd: event.number,
    attach_type: BPF_PERF_EVENT,
    "perf_event.bpf_cookie": cookieOf(options),
  });
  // Kernels without such links answer EINVAL: they know no link for this program type.
  if (link < 0 && link !== -EINVAL) throw fail(link, "bpf(BPF_LINK_CREATE)");
  if (link < 0) {
    if (options.cookie) {
      event.close();
      throw noCookie(program, place, "5.15");
    }
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

/** A cookie was asked for of a kernel that has none for this hook. */
export function noCookie(program: LoadedProgram, place: string, since: string): UnsupportedError {
  return new UnsupportedError(`Cannot attach program ${program.name} to ${place}: this kernel has no cookies for it`, {
    subject: `program ${program.name}`,
    likely: `the kernel is older than ${since}`,
    action: "attach without a cookie",
  });
}
