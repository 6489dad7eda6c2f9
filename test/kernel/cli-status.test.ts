// Exit statuses, each provoked for real, and the one line that every failure is.

import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import {
  ALL_MODES,
  describeAtTheEnds,
  type Ended,
  EXECUTABLE,
  fewerInGuests,
  type HookName,
  hello,
  linesOf,
  recordsOf,
  SLOWNESS,
  testHere,
  userSpace,
  withCapabilities,
  workingHooks,
} from "./support.ts";

setDefaultTimeout(20_000 + SLOWNESS * 3_000);

// include/uapi/linux/capability.h
const CAP_IPC_LOCK = 14;
const CAP_SYS_RESOURCE = 24;
const CAP_PERFMON = 38;
const CAP_BPF = 39;

const PARANOID = Number(readFileSync("/proc/sys/kernel/perf_event_paranoid", "utf8"));

/** What failed, why and what to do, on one line of standard error and nowhere else. */
function expectOneLine({ stdout, stderr }: Ended): string {
  expect(stdout).toBe("");
  const lines = linesOf(stderr);
  expect(lines).toHaveLength(1);
  expect(lines[0]).toStartWith("hello-ebpf: ");
  expect(stderr).not.toMatch(/\bat .*\(|node:|bunfs|undefined|\[object|NaN/);
  return lines[0] as string;
}

userSpace(() => {
  describe("0: done", () => {
    for (const mode of ALL_MODES)
      test(`${mode} after its time`, async () => {
        expect((await hello(["--mode", mode, "--duration", "1ms"])).status).toBe(0);
      });
  });

  describe("2: bad usage, before anything is touched", () => {
    const bad: string[][] = [
      [],
      ["ring"],
      ["jsonl"],
      ["--mode"],
      ["--mode", ""],
      ["--mode", "RING"],
      ["--mode", "rings"],
      ["--mode", "ring", "extra"],
      ["--mode", "ring", "--attach", "uprobe"],
      ["--mode", "ring", "--attach", ""],
      ["--mode", "ring", "--syscall", ""],
      ["--mode", "ring", "--syscall", "no_such_call"],
      ["--mode", "ring", "--syscall", "__proto__"],
      ["--mode", "ring", "--syscall", "EXECVE"],
      ["--mode", "ring", "--count", "0"],
      ["--mode", "ring", "--count", "-1"],
      ["--mode", "ring", "--count", "1.5"],
      ["--mode", "ring", "--count", "1e3"],
      ["--mode", "ring", "--count", "0x10"],
      ["--mode", "ring", "--count", "9007199254740993"],
      ["--mode", "ring", "--count", "many"],
      ["--mode", "ring", "--duration", "10"],
      ["--mode", "ring", "--duration", "0s"],
      ["--mode", "ring", "--duration", "-1s"],
      ["--mode", "ring", "--duration", "1y"],
      ["--mode", "ring", "--duration", "99999h"],
      ["--mode", "ring", "--duration", "infs"],
      ["--mode", "map", "--interval", "0"],
      ["--mode", "map", "--interval", "-2"],
      ["--mode", "map", "--interval", "2s"],
      ["--mode", "map", "--interval", "1e99"],
      ["--mode", "ring", "--uid", "-1"],
      ["--mode", "ring", "--uid", "root"],
      ["--mode", "ring", "--uid", "4294967295"],
      ["--mode", "ring", "--pid", "0"],
      ["--mode", "ring", "--pid", "4194305"],
      ["--mode", "ring", "--pid", "self"],
      ["--mode", "ring", "--comm", ""],
      ["--mode", "ring", "--comm", "sixteen-bytes-xx"],
      ["--mode", "ring", "--comm", "ääääääää"],
      ["--mode", "ring", "--buffer-size", "0"],
      ["--mode", "ring", "--buffer-size", "-4K"],
      ["--mode", "ring", "--buffer-size", "4T"],
      ["--mode", "ring", "--buffer-size", "3G"],
      ["--mode", "ring", "--buffer-size", "K"],
      ["--mode", "ring", "--buffer-size", "1.5M"],
      ["--mode", "ring", "--output", "xml"],
      ["--mode", "ring", "--no-such-option"],
      ["--mode", "ring", "-x"],
      ["--mode", "ring", "--"],
      ["--mode", "ring", "--count", "1\n2"],
      ["--mode", "\x1b[2Jring"],
    ];
    for (const args of bad)
      test(JSON.stringify(args.join(" ")), async () => {
        const run = await hello(args);
        expect(run.status).toBe(2);
        const line = expectOneLine(run);
        expect(line).toContain("--help");
        expect(line).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
      });

    for (const [word, line] of [
      ["-x", /unknown option '-x'/],
      ["ring", /Expected --mode ring;/],
      ["lod", /Expected --mode MODE or one of .*load.*, got "lod" \(close: .*load/],
    ] as const)
      test(`${word}: what is wrong with it comes before what is missing`, async () => {
        const run = await hello([word]);
        expect([run.status, expectOneLine(run)]).toEqual([2, expect.stringMatching(line)]);
      });

    test("an unknown system call: close names are said", async () => {
      for (const [wrong, right] of [
        ["execv", "execve"],
        ["exceve", "execve"],
        ["open_at", "openat"],
        ["getpidd", "getpid"],
      ]) {
        const { status, stderr } = await hello(["--mode", "ring", "--syscall", wrong as string]);
        expect(status).toBe(2);
        expect(stderr).toContain(JSON.stringify(wrong));
        expect(stderr.replace(JSON.stringify(wrong), "")).toMatch(new RegExp(`\\b${right}\\b`));
      }
    });
  });
});

describe("3: not permitted", () => {
  const wrapper = withCapabilities([]);
  for (const mode of fewerInGuests(ALL_MODES, ["ring"]))
    for (const attach of fewerInGuests(["auto", ...workingHooks()], ["auto"]))
      test(`${mode} by ${attach} without capabilities`, async () => {
        const run = await hello(["--mode", mode, "--attach", attach], { wrapper });
        expect(run.status).toBe(3);
        const line = expectOneLine(run);
        expect(line).toMatch(/gave E(PERM|ACCES): .*CAP_BPF.*; run as root.*--cap-add=/);
      });

  testHere("in JSON as well", async () => {
    const { status, stdout } = await hello(["--mode", "ring", "--output", "jsonl"], { wrapper });
    expect(status).toBe(3);
    expect(recordsOf(stdout)).toMatchObject([{ type: "error", status: 3, class: "permission", errno: "EPERM" }]);
  });

  testHere("as another user", async () => {
    const { exitCode, stderr } = Bun.spawnSync([EXECUTABLE, "--mode", "ring"], { uid: 1000, gid: 1000 });
    expect(exitCode).toBe(3);
    expect(linesOf(stderr.toString())).toHaveLength(1);
  });
});

describe("with CAP_BPF and CAP_PERFMON only", () => {
  // The last two stand for what a kernel before 5.11 counts locked memory by.
  const wrapper = withCapabilities([CAP_BPF, CAP_PERFMON, CAP_SYS_RESOURCE, CAP_IPC_LOCK]);

  for (const mode of fewerInGuests(["map", "perf", "ring"], ["perf"]))
    test(`${mode} runs by raw_tracepoint`, async () => {
      const interval = mode === "map" ? ["--interval", "0.02"] : [];
      const args = ["--mode", mode, "--attach", "raw_tracepoint", ...interval, "--count", "1"];
      const run = await hello([...args, "--", "sh", "-c", "while :; do /bin/true; done"], { wrapper });
      if (mode === "perf" && PARANOID > 2) {
        // Debian's level 3, which upstream has not: CAP_PERFMON is not enough for perf_event_open.
        expect(run.status).toBe(3);
        expect(expectOneLine(run)).toMatch(/EACCES: kernel.perf_event_paranoid is 3; lower it to 2/);
        return;
      }
      expect(run.stderr).toContain("attached");
      expect(run.status).toBe(0);
      expect(linesOf(run.stdout)).toHaveLength(1);
    });

  test("auto finds a hook that needs no more", async () => {
    const { status, stderr } = await hello(["--mode", "ring", "--duration", "1ms"], { wrapper });
    expect(stderr).toMatch(/^hello-ebpf: attached ring to /m);
    expect(status).toBe(0);
  });
});

describeAtTheEnds("4 and 6: the kernel lacks something, could not attach", () => {
  test("a tracepoint that is not there", async () => {
    const run = await hello(["--mode", "ring", "--attach", "tracepoint", "--syscall", "create_module"]);
    expect(run.status).toBe(6);
    expect(expectOneLine(run)).toMatch(/sys_enter_create_module.* gave ENOENT: .*no tracepoint.*; attach by/);
  });

  for (const hook of fewerInGuests<HookName>(["kprobe", "fentry"], ["kprobe"]).filter((hook) =>
    workingHooks().includes(hook),
  ))
    test(`${hook} of a function that is not there`, async () => {
      const run = await hello(["--mode", "ring", "--attach", hook, "--syscall", "create_module"]);
      expect(run.status).toBe(6);
      expect(expectOneLine(run)).toMatch(/__x64_sys_create_module.*ENOENT.*; /);
    });

  test("a kernel without kprobes", async () => {
    if (workingHooks().includes("kprobe")) return console.log("skipped: this kernel has kprobes");
    const run = await hello(["--mode", "ring", "--attach", "kprobe"]);
    expect(run.status).toBe(4);
    expect(expectOneLine(run)).toMatch(
      /ENOENT: the kernel was built without CONFIG_KPROBE_EVENTS.*; attach by another/,
    );
  });
});
