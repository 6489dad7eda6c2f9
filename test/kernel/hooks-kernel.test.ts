// Hooks inside the kernel: probes, tracepoints, trampolines, iterators, samples. All are made to run by getpgid(2) of
// this process.

import { expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BpfError, BpfLink, type ObjectSpec } from "../../src/index.ts";
import { syscall } from "../../src/sys/libc.ts";
import { SYSCALL_NUMBERS } from "../../src/sys/syscall-numbers.ts";
import { conformance, type Row, since } from "./hooks-support.ts";
import { global, KERNEL, kernelIds, load, thrownBy, until } from "./lib-support.ts";
import { missingHook } from "./support.ts";

const NR_GETPGID = SYSCALL_NUMBERS.get("getpgid") ?? -1;

function getpgid(times: number): void {
  for (let i = 0; i < times; i++) syscall(NR_GETPGID, process.pid);
}

const ALWAYS = since("5.10");
const plain = (program: string, on: readonly string[], options = {}, name = program): Row => ({
  ...{ program, on, name, fire: getpgid, options: () => options },
});

const COOKIE = 0x1122_3344_5566_7788n;
const withCookie = (program: string, on: readonly string[], options = {}): Row => ({
  ...plain(program, on, { cookie: COOKIE, ...options }),
  // Unlike the others it counts everything this task does at the hook.
  others: program === "cookie_raw_tracepoint" || program === "cookie_tp_btf",
  holds: (object) => expect(global(object, "cookie").value).toBe(COOKIE),
});

/** Keeps this task on a CPU for as much of the CPU's own time as several samples take. */
function busy(): void {
  const start = process.cpuUsage();
  const used = () => process.cpuUsage(start).user + process.cpuUsage(start).system;
  while (used() < 100_000) getpgid(100);
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
    // 5.10 takes it, but its list of security modules has no "bpf": CONFIG_LSM.
    { ...plain("on_lsm", since("6.1")), not: ["5.10"] },
    plain("on_ksyscall", ALWAYS),
    plain("on_kretsyscall", ALWAYS),
    plain("on_kprobe_multi", since("6.12")),
    plain("on_kretprobe_multi", since("6.12")),
    plain("on_kprobe_multi", since("6.12"), { targets: ["__x64_sys_getpgid"] }, "on_kprobe_multi of names"),
    { ...plain("on_kprobe_session", since("6.12")), others: true }, // at entry and return
    plain("on_fentry_sleepable", []) /* where errors can be injected: CONFIG_FUNCTION_ERROR_INJECTION */,
    plain("on_fentry_multi", ["7"]),
    { ...plain("on_fsession", ["7"]), others: true }, // at entry and return
    plain("on_raw_tracepoint_writable", ALWAYS),
    withCookie("cookie_kprobe_multi", since("6.12")),
    withCookie("cookie_kprobe", since("6.1")),
    withCookie("cookie_tracepoint", since("6.1")),
    withCookie("cookie_raw_tracepoint", since("6.12")),
    withCookie("cookie_tp_btf", since("6.12")),
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

test("an iterator over a map goes over its elements, and takes another program in its place", () => {
  using object = load("hooks_kernel", "on_iter_of_map");
  using link = object.program("on_iter_of_map").attach({ fd: object.map("elements").fd.number });
  expect(link.read()).toBe("a line\n".repeat(3));
  expect(link.info()).toMatchObject({ type: "iter" });
  using other = load("hooks_kernel", "on_iter_of_map");
  const before = link.info().programId;
  link.update(other.program("on_iter_of_map"));
  expect(link.info().programId).not.toBe(before);
  const refused = thrownBy(() => object.program("on_iter_of_map").attach()) as BpfError;
  expect(refused.action).toContain("descriptor");
});

test.skipIf(KERNEL === "5.10")("a syscall program is run by hand, and writes to the context it gets", () => {
  using object = load("hooks_kernel", "on_syscall");
  const given = new BigUint64Array([5n]);
  const { retval, ctx } = object.program("on_syscall").testRun({ ctx: new Uint8Array(given.buffer) });
  expect([retval, global(object, "seen").value]).toEqual([7, 5n]);
  expect(new BigUint64Array(ctx?.slice().buffer ?? new ArrayBuffer(8))[0]).toBe(42n);
  expect(given[0]).toBe(5n);
});

test("a program of packets gives back the packet, and one that is no such refuses it", () => {
  using object = load("hooks_network", "on_xdp", "on_sk_lookup");
  const packet = new Uint8Array(64).map((_, i) => i);
  const run = object.program("on_xdp").testRun({ data: packet, repeat: 3, dataOut: 256 });
  expect([run.retval, run.data, global(object, "seen").value]).toEqual([2, packet, 3n]); // XDP_PASS
  const refused = thrownBy(() => object.program("on_sk_lookup").testRun({ data: packet })) as BpfError;
  expect([refused.class, refused.call]).toEqual(["runtime", "bpf(BPF_PROG_TEST_RUN)"]);
});

test("counters by name: one of the hardware is counted or not there, one that nobody has is told from those near", () => {
  using object = load("hooks_kernel", "on_perf_event");
  const program = object.program("on_perf_event");
  try {
    program.attach({ target: "cycles", period: 1_000_000 }).close();
  } catch (error) {
    const { class: kind, likely } = error as BpfError;
    expect([kind, likely]).toEqual(["unsupported", "this machine has no counter cycles"]);
  }
  expect((thrownBy(() => program.attach("cpu-clok")) as BpfError).message).toBe(
    "Cannot attach program on_perf_event to perf_event cpu-clok: no such counter (close: cpu-clock)",
  );
});

test("a pinned link outlives its descriptor, is opened again, and ends with its pin", async () => {
  const folder = mkdtempSync(join(tmpdir(), "hello-pins-"));
  expect(Bun.spawnSync(["mount", "-t", "bpf", "bpf", folder]).exitCode).toBe(0);
  try {
    using object = load("hooks_kernel", "on_iter");
    const link = object.program("on_iter").attach();
    const { id } = link.info();
    link.pin(`${folder}/lines`);
    link.close();
    expect(kernelIds("links").has(id)).toBe(true);
    const again = BpfLink.open(`${folder}/lines`);
    expect(again.info()).toMatchObject({ id, type: "iter" });
    again.close();
    expect((thrownBy(() => BpfLink.open(`${folder}/none`)) as BpfError).errno).toBe("ENOENT");
    rmSync(`${folder}/lines`);
    await until("the link is left behind", () => !kernelIds("links").has(id));
    using unpinned = object.program("on_iter").attach();
    expect((thrownBy(() => unpinned.pin("/proc/lines")) as BpfError).likely).toBe("no bpffs is mounted there");
  } finally {
    Bun.spawnSync(["umount", folder]);
    rmSync(folder, { recursive: true });
  }
});

/** A name that several functions of the kernel have, all of them its own. */
function sharedName(): string | undefined {
  const counts = new Map<string, number>();
  for (const line of readFileSync("/proc/kallsyms", "utf8").split("\n")) {
    const [, name] = / t (\w+)$/.exec(line) ?? [];
    if (name) counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return [...counts].find(([name, count]) => count === 2 && /^[a-z]\w+_show$/.test(name))?.[0];
}

test.skipIf(missingHook("kprobe") !== undefined)("a name of several functions is an error that lists them", () => {
  const name = sharedName() ?? "";
  using object = load("hooks_kernel", "on_kprobe");
  const refused = thrownBy(() => object.program("on_kprobe").attach(name)) as BpfError;
  const [first, second] = refused.message.match(/0x[0-9a-f]{16}/g) ?? [];
  expect(refused.message).toEndWith(`2 functions are called ${name}: ${first}, ${second}`);
  object
    .program("on_kprobe")
    .attach(second as string)
    .close();
  const missing = thrownBy(() => object.program("on_kprobe").attach("vfs_raed")) as BpfError;
  expect([missing.errno, missing.likely]).toEqual(["ENOENT", expect.stringContaining("vfs_read")]);
  expect((thrownBy(() => object.program("on_kprobe").attach("vfs_read+1")) as BpfError).class).toBe("attach");
});
