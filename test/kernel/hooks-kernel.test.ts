// Hooks inside the kernel: probes, tracepoints, trampolines, iterators, samples. All are made to run by getpgid(2) of
// this process.

import { expect } from "bun:test";
import type { ObjectSpec } from "../../src/index.ts";
import { syscall } from "../../src/sys/libc.ts";
import { SYSCALL_NUMBERS } from "../../src/sys/syscall-numbers.ts";
import { conformance, type Row, since } from "./hooks-support.ts";
import { global } from "./lib-support.ts";

const NR_GETPGID = SYSCALL_NUMBERS.get("getpgid") ?? -1;

function getpgid(times: number): void {
  for (let i = 0; i < times; i++) syscall(NR_GETPGID, process.pid);
}

const ALWAYS = since("5.10");
const plain = (program: string, on: readonly string[], options = {}): Row => ({
  ...{ program, on, fire: getpgid, options: () => options },
});

const COOKIE = 0x1122_3344_5566_7788n;
const withCookie = (program: string, on: readonly string[], options = {}): Row => ({
  ...plain(program, on, { cookie: COOKIE, ...options }),
  // Unlike the others it counts everything this task does at the hook.
  others: program === "cookie_raw_tracepoint" || program === "cookie_tp_btf",
  holds: (object) => expect(global(object, "cookie").value).toBe(COOKIE),
});

/** Keeps this task on a CPU until the samples have come. */
function busy(): void {
  const end = performance.now() + 200;
  while (performance.now() < end) syscall(NR_GETPGID, process.pid);
}

conformance(
  "hooks_kernel",
  [
    plain("on_kprobe", ALWAYS),
    plain("on_kprobe_offset", ALWAYS),
    plain("on_kretprobe", ALWAYS),
    plain("on_tracepoint", ALWAYS),
    plain("on_raw_tracepoint", ALWAYS),
    plain("on_tp_btf", ALWAYS),
    plain("on_fentry", ALWAYS),
    plain("on_fexit", ALWAYS),
    plain("on_fmod_ret", ALWAYS),
    plain("on_lsm", ALWAYS),
    withCookie("cookie_kprobe", since("6.1")),
    withCookie("cookie_tracepoint", since("6.1")),
    withCookie("cookie_raw_tracepoint", since("6.12")),
    withCookie("cookie_tp_btf", since("6.1")),
    withCookie("cookie_fentry", since("6.1")),
    { ...plain("on_perf_event", ALWAYS, { frequency: 1000 }), fire: busy, others: true },
    {
      ...plain("on_perf_event", ALWAYS, { target: "page-faults", period: 1, pid: process.pid }),
      name: "on_perf_event of page faults of a process",
      fire: () => new Uint8Array(64 << 20).fill(1).length,
      others: true,
    },
    {
      ...plain("on_iter", ALWAYS),
      others: true,
      fire: (times, link) => {
        for (let i = 0; i < times; i++) expect(link.read()).toMatch(/^(a line\n){2,}$/);
      },
    },
  ],
  (spec: ObjectSpec) => {
    spec.globals.set("tgid", process.pid);
    spec.globals.set("number", NR_GETPGID);
  },
);
