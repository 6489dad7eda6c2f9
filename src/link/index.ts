// The list of hooks: one file a kind, one line here.

import type { Hook } from "../program/hook.ts";
import { cgroup, lsmCgroup } from "./cgroup.ts";
import { netkit, tcx, xdp } from "./interface-link.ts";
import { iter } from "./iter.ts";
import { kprobe, kretprobe } from "./kprobe.ts";
import { kprobeMulti, kprobeSession, kretprobeMulti } from "./kprobe-multi.ts";
import { kretsyscall, ksyscall } from "./ksyscall.ts";
import { netfilter } from "./netfilter.ts";
import { netns } from "./netns.ts";
import { perfEvent } from "./perf-event.ts";
import { rawTracepoint } from "./raw-tracepoint.ts";
import { skReuseport, socket } from "./socket.ts";
import { sockmap } from "./sockmap.ts";
import { structOps } from "./struct-ops.ts";
import { tc } from "./tc.ts";
import { tracepoint } from "./tracepoint.ts";
import { fentry, fexit, fmodRet, freplace, fsession, lsm, tpBtf } from "./tracing.ts";
import { fentryMulti, fexitMulti, fsessionMulti } from "./tracing-multi.ts";
import { uprobe, uretprobe } from "./uprobe.ts";
import { uprobeMulti, uprobeSession, uretprobeMulti } from "./uprobe-multi.ts";
import { usdt } from "./usdt.ts";

const HOOKS: readonly Hook[] = [
  ...[kprobe, kretprobe, tracepoint, rawTracepoint, perfEvent],
  ...[ksyscall, kretsyscall, kprobeMulti, kretprobeMulti, kprobeSession],
  ...[uprobe, uretprobe, uprobeMulti, uretprobeMulti, uprobeSession, usdt],
  ...[fentry, fexit, fmodRet, fsession, freplace, tpBtf, lsm, iter, structOps],
  ...[fentryMulti, fexitMulti, fsessionMulti],
  ...[xdp, tc, tcx, netkit, netfilter, netns, socket, skReuseport, sockmap],
  ...[cgroup, lsmCgroup],
];

/** The hook a program's section stands for; undefined where it is attached by other means. */
export function hookOf(name: string): Hook | undefined {
  return HOOKS.find((hook) => hook.name === name);
}
