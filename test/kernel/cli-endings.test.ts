// How a run ends: signals, a reader that is gone, as PID 1; buffers drained, output whole, nothing left in the kernel.

import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { until } from "./lib-support.ts";
import {
  ALL_MODES,
  EXECUTABLE,
  fewerInGuests,
  GUEST,
  Hello,
  hello,
  kernelObjects,
  leftBehind,
  linesOf,
  missingHook,
  NamedProgram,
  processes,
  recordsOf,
  SLOWNESS,
  scratch,
  summaryOf,
  testHere,
  userSpace,
  workingHooks,
  writes,
} from "./support.ts";

setDefaultTimeout(20_000 + SLOWNESS * 6_000);
const folder = scratch();
const JSONL = ["--output", "jsonl"];
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
/** The bound of the command line, and what emulation makes of it. */
const BOUND_MS = 200 * (GUEST ? 10 : 1);

/** Milliseconds from a signal to the end of the process. */
async function timeToEnd(run: Hello, signal: NodeJS.Signals): Promise<number> {
  const begin = performance.now();
  run.kill(signal);
  await run.process.exited;
  return performance.now() - begin;
}

/** Other work on this machine can hold up any end: one in so many that is in time shows that nothing of ours does. */
const ATTEMPTS = 10;

/** Runs `attempt`, which answers milliseconds, until one is within the bound; the best of all. */
async function best(attempt: () => Promise<number>): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < ATTEMPTS && least >= BOUND_MS; i++) least = Math.min(least, await attempt());
  return least;
}

describe("a signal ends it in order", () => {
  for (const signal of fewerInGuests<NodeJS.Signals>(SIGNALS, ["SIGTERM"]))
    for (const mode of fewerInGuests(ALL_MODES, ["ring"]))
      test(`${signal} in ${mode} mode, idle: within the bound, status 0, the accounts said`, async () => {
        const elapsed = await best(async () => {
          const run = await new Hello(["--mode", mode, "--comm", "nobody-has-this"]).attached();
          const time = await timeToEnd(run, signal);
          const { status, stderr } = await run.ended();
          expect(status).toBe(0);
          expect(stderr).toEndWith("0 events, 0 lost\n");
          return time;
        });
        expect(elapsed).toBeLessThan(BOUND_MS);
      });

  // Not in guests: QEMU's emulation of two processors crashes their kernels (an instruction fetch at 0) when one takes a
  // probe out of a function that the other is calling all the time.
  for (const mode of fewerInGuests(ALL_MODES, []))
    test(`under load in ${mode} mode: within the bound, and everything accounted for`, async () => {
      const elapsed = await best(async () => {
        const dd = new NamedProgram(folder, "dd");
        const args = ["--mode", mode, "--syscall", "write", "--comm", dd.name, "--interval", "0.05", ...JSONL];
        const run = await new Hello(args, { stdout: openSync("/dev/null", "w") }).attached();
        const writer = dd.start(writes(1_000_000_000));
        await Bun.sleep(200);
        const time = await timeToEnd(run, "SIGTERM");
        writer.kill("SIGKILL");
        const { status, stderr } = await run.ended();
        expect(status).toBe(0);
        expect(stderr).toMatch(/^\d+ events, \d+ lost\n$/m);
        expect(stderr).not.toContain("accounts differ");
        return time;
      });
      expect(elapsed).toBeLessThan(BOUND_MS);
    });

  for (const mode of ["perf", "ring"])
    for (const signal of fewerInGuests<NodeJS.Signals>(SIGNALS, ["SIGTERM"]))
      test(`${signal} drains the buffers first in ${mode} mode`, async () => {
        const count = GUEST ? 5000 : 20_000; // several turns of the event loop, of which the signal takes one of the first
        const dd = new NamedProgram(folder, "dd");
        const args = ["--mode", mode, "--syscall", "write", "--comm", dd.name, "--buffer-size", "4M"];
        const run = await new Hello(args).attached();
        run.kill("SIGSTOP"); // so that all of it is still in the kernel when the signal comes
        await dd.run(writes(count));
        run.kill(signal);
        run.kill("SIGCONT");
        const { status, stdout, stderr } = await run.ended();
        expect(status).toBe(0);
        expect(linesOf(stdout)).toHaveLength(count);
        expect(stderr).toEndWith(`${count} events, 0 lost\n`);
      });

  test("SIGTERM drains trace_pipe first", async () => {
    const count = 40; // the kernel's buffer for it is small at first
    const shell = new NamedProgram(folder, "sh");
    const run = await new Hello(["--mode", "trace", "--comm", shell.name]).attached();
    run.kill("SIGSTOP");
    await shell.run(["-c", processes(count)]);
    run.kill("SIGTERM");
    run.kill("SIGCONT");
    const { stdout, stderr } = await run.ended();
    expect(linesOf(stdout)).toHaveLength(count);
    expect(stderr).toEndWith(`${count} events, 0 lost\n`);
  });

  testHere("many processes, then at once SIGTERM: a line for each", async () => {
    const shell = new NamedProgram(folder, "sh");
    const run = await new Hello(["--mode", "ring", "--comm", shell.name]).attached();
    const count = 1000;
    await shell.run(["-c", processes(count)]);
    const { stdout } = await run.stop();
    expect(linesOf(stdout)).toHaveLength(count);
  });

  testHere("SIGHUP stays ignored where who started us had it so, as nohup does", async () => {
    const wrapper = ["sh", "-c", 'trap "" HUP; exec "$@"', "sh"];
    const run = await new Hello(["--mode", "ring", "--comm", "nobody-has-this"], { wrapper }).attached();
    run.kill("SIGHUP");
    await Bun.sleep(BOUND_MS);
    expect(run.process.exitCode).toBeNull();
    expect((await run.stop("SIGTERM")).status).toBe(0);
  });

  userSpace(() => {
    test("before it is attached, too", async () => {
      for (const delay of [5, 10, 20, 40, 60].map((ms) => ms * (GUEST ? 10 : 1))) {
        const run = new Hello(["--mode", "ring"]);
        await Bun.sleep(delay);
        run.kill("SIGTERM");
        const { status, signal } = await run.ended();
        // Before Bun runs our first line the signal is the kernel's business; afterwards it is an end in order.
        expect(signal === "SIGTERM" || status === 0).toBe(true);
      }
    });
  });
});

/** A pipe with a descriptor that can be held without reading. */
function heldPipe(): { path: string; fd: number } {
  const path = join(folder, `pipe${performance.now()}`);
  expect(Bun.spawnSync(["mkfifo", path]).exitCode).toBe(0);
  return { path, fd: openSync(path, "r+") };
}

userSpace(() => {
  describe("standard output", () => {
    test("blocked: the first SIGINT waits for the reader, the second ends it at once", async () => {
      const { fd } = heldPipe();
      const dd = new NamedProgram(folder, "dd");
      const args = ["--mode", "ring", "--syscall", "write", "--comm", dd.name];
      const run = await new Hello(args, { stdout: fd }).attached();
      await dd.run(writes(20_000)); // several times what a pipe holds
      run.kill("SIGINT");
      await Bun.sleep(500);
      expect(run.process.exitCode).toBeNull();
      expect(await timeToEnd(run, "SIGINT")).toBeLessThan(BOUND_MS);
      expect((await run.ended()).status).toBe(130);
      closeSync(fd);
    });

    test("blocked: --duration ends the command at once, though the reader has not taken what came before", async () => {
      const { fd } = heldPipe();
      const dd = new NamedProgram(folder, "dd");
      const mark = join(folder, "ended");
      const script = `trap 'echo yes >${mark}; exit' TERM; while :; do ${dd.path} ${writes(5000).join(" ")}; done`;
      const args = ["--mode", "ring", "--syscall", "write", "--comm", dd.name, "--duration", "300ms"];
      const run = new Hello([...args, "--", "sh", "-c", script], { stdout: fd });
      await until("the command has ended", () => existsSync(mark));
      expect(run.process.exitCode).toBeNull(); // what it has read still waits for the reader
      for (let i = 0; i < 2; i++) {
        run.kill("SIGINT");
        await Bun.sleep(100);
      }
      expect((await run.ended()).status).toBe(130);
      closeSync(fd);
    });

    test("blocked: a second signal takes the command with it, whatever it does with SIGTERM", async () => {
      const { fd } = heldPipe();
      const mark = join(folder, "stubborn");
      const dd = new NamedProgram(folder, "dd");
      const script = `trap '' TERM; echo $$ >${mark}; while :; do ${dd.path} ${writes(5000).join(" ")}; done`;
      const args = ["--mode", "ring", "--syscall", "write", "--comm", dd.name];
      const run = new Hello([...args, "--", "sh", "-c", script], { stdout: fd });
      await until("the command runs", () => existsSync(mark));
      await Bun.sleep(500); // it has written many times what a pipe holds
      run.kill("SIGINT");
      await Bun.sleep(100);
      run.kill("SIGINT");
      expect((await run.ended()).status).toBe(130);
      const pid = readFileSync(mark, "utf8").trim();
      await until("the command is gone", () => !existsSync(`/proc/${pid}`));
      closeSync(fd);
    });

    test("whole to the last byte through a pipe, also with a slow reader", async () => {
      const count = 20_000;
      const dd = new NamedProgram(folder, "dd");
      const { fd, path } = heldPipe();
      const args = ["--mode", "ring", "--syscall", "write", "--comm", dd.name, "--buffer-size", "8M"];
      const run = await new Hello([...args, "--count", `${count}`], { stdout: fd }).attached();
      const slow = Bun.spawn(
        ["sh", "-c", `exec 3<${path}; echo; while dd bs=30000 count=1 <&3 2>/dev/null | grep . ; do sleep 0.01; done`],
        {
          stdout: "pipe",
        },
      );
      const reading = new Response(slow.stdout).text();
      await dd.run(writes(count));
      const { status, stderr } = await run.ended();
      closeSync(fd);
      expect({ status, said: linesOf(stderr).at(-1) }).toEqual({ status: 0, said: `${count} events, 0 lost` });
      // grep ends each chunk with a newline of its own: what counts is that no byte is missing.
      const joined = (await reading).replaceAll("\n", "");
      const lines = joined.match(/\d+ 0 \S+ Hello World/g) ?? [];
      expect(lines).toHaveLength(count);
      expect(lines.join("").length).toBe(joined.length);
    });

    test("whole through a pipe that is read at once, and in a file", async () => {
      const count = 100_000;
      const dd = new NamedProgram(folder, "dd");
      const path = join(folder, "lines");
      const args = ["--mode", "ring", "--syscall", "write", "--comm", dd.name, "--buffer-size", "32M"];
      const piped = await new Hello([...args, "--count", `${count}`]).attached();
      const filed = await new Hello([...args, "--count", `${count}`], { stdout: openSync(path, "w") }).attached();
      await dd.run(writes(count));
      const { stdout } = await piped.ended();
      await filed.ended();
      expect(linesOf(stdout)).toHaveLength(count);
      expect(readFileSync(path, "utf8")).toBe(stdout);
    });

    test("| head -1 ends it by itself with status 0 and one line", () => {
      const script = `{ ${EXECUTABLE} --mode ring -- sh -c 'while :; do /bin/true; done'; echo "status $?" >&2; } | head -1`;
      const { stdout, stderr } = Bun.spawnSync(["sh", "-c", script]);
      expect(linesOf(stdout.toString())).toHaveLength(1);
      expect(stdout.toString()).toMatch(/^\d+ 0 \S+ Hello World\n$/);
      expect(stderr.toString()).toEndWith("status 0\n");
      expect(stderr.toString()).not.toMatch(/EPIPE|Error|Broken/);
    });

    for (const mode of ALL_MODES)
      test(`a reader that goes away while ${mode} mode is idle ends it with status 0`, () => {
        const run = `${EXECUTABLE} --mode ${mode} --interval 3600 --comm nobody-has-this`;
        const script = `{ timeout 20 ${run}; echo "status $?" >&2; } | sleep 0.5`;
        const { stderr } = Bun.spawnSync(["sh", "-c", script]);
        expect(stderr.toString()).toEndWith("0 events, 0 lost\nstatus 0\n");
      });

    test("a full file system: status 1 and one line", async () => {
      const args = ["--mode", "ring", "--", "sh", "-c", "while :; do /bin/true; done"];
      const { status, stderr } = await hello(args, { stdout: openSync("/dev/full", "w") });
      expect(status).toBe(1);
      const said = linesOf(stderr).filter((line) => !/^hello-ebpf: (attached|passed over)/.test(line));
      expect(said).toHaveLength(1);
      expect(said[0]).toMatch(/^hello-ebpf: Cannot write .*ENOSPC: .+; .+/);
    });

    test("help and version: a reader that goes away is none, a full device is said in one line", () => {
      for (const words of ["--help", "--version", "btf --help", "map --help"]) {
        const gone = `set -o pipefail; for i in 1 2 3 4 5 6 7 8; do ${EXECUTABLE} ${words} | true || exit; done`;
        const { exitCode, stderr } = Bun.spawnSync(["bash", "-c", gone]);
        expect([words, exitCode, stderr.toString()]).toEqual([words, 0, ""]);
        const full = Bun.spawnSync(["sh", "-c", `${EXECUTABLE} ${words} >/dev/full`]);
        expect([words, full.exitCode]).toEqual([words, 1]);
        expect(full.stderr.toString()).toMatch(
          /^hello-ebpf: Cannot write to standard output: [^\n]*ENOSPC[^\n]*; [^\n]*\n$/,
        );
      }
    });

    test("a command does not outlive a run that failed", async () => {
      const shell = new NamedProgram(folder, "sh");
      const mark = join(folder, "outlived");
      const args = ["--mode", "ring", "--comm", shell.name, "--", ...shell.command];
      const script = `echo $$ >${mark}; while :; do /bin/true; done`;
      const run = await hello([...args, "-c", script], { stdout: openSync("/dev/full", "w") });
      expect(run.status).toBe(1);
      const pid = readFileSync(mark, "utf8").trim();
      // It was told to end, and has a moment for it.
      for (let i = 0; i < 50 && existsSync(`/proc/${pid}`); i++) await Bun.sleep(100);
      expect(existsSync(`/proc/${pid}`)).toBe(false);
    });

    for (const [name, redirect] of [
      ["input", "<&-"],
      ["output", ">&-"],
      ["error", "2>&-"],
      ["everything", "<&- >&- 2>&-"],
    ])
      test(`standard ${name} closed: no crash, the command's status`, () => {
        const command = `${EXECUTABLE} --mode perf -- sh -c 'exit 9' ${redirect}`;
        const { exitCode, signalCode } = Bun.spawnSync(["sh", "-c", `${command}; exit $?`]);
        expect({ exitCode, signalCode: signalCode ?? null }).toEqual({ exitCode: 9, signalCode: null });
      });

    test("standard error closed or full does not stop it", () => {
      const command = `${EXECUTABLE} --mode ring --count 1 -- sh -c 'while :; do /bin/true; done' 2>/dev/full`;
      const { exitCode, stdout } = Bun.spawnSync(["sh", "-c", command]);
      expect(exitCode).toBe(0);
      expect(linesOf(stdout.toString())).toHaveLength(1);
    });
  });
});

/** The process numbers of a process's children. */
const childrenOf = (pid: number) =>
  Bun.spawnSync(["sh", "-c", `cat /proc/${pid}/task/*/children`])
    .stdout.toString()
    .trim();

describe("as PID 1", () => {
  const wrapper = ["unshare", "--pid", "--fork", "--mount-proc"];
  for (const signal of fewerInGuests<NodeJS.Signals>(SIGNALS, ["SIGTERM"]))
    test(`${signal} from outside ends it with its accounts`, async () => {
      const elapsed = await best(async () => {
        const run = await new Hello(["--mode", "ring", ...JSONL], { wrapper }).attached();
        const pid = childrenOf(run.pid);
        expect(readFileSync(`/proc/${pid}/status`, "utf8")).toMatch(/^NSpid:\s+\d+\s+1$/m);
        const begin = performance.now();
        process.kill(Number(pid), signal);
        const { status, stdout } = await run.ended();
        expect(status).toBe(0);
        summaryOf(stdout);
        return performance.now() - begin;
      });
      expect(elapsed).toBeLessThan(BOUND_MS);
    });

  testHere("with a command, whose orphans do not keep it", async () => {
    const { status } = await hello(["--mode", "ring", "--", "sh", "-c", "sleep 1000 & exit 4"], { wrapper });
    expect(status).toBe(4);
  });

  testHere("what its command leaves without a parent is taken away once it has ended", async () => {
    const script =
      "for i in 1 2 3 4 5 6 7 8 9 10; do (/bin/sleep 0.1 &) ; done; sleep 1; cat /proc/[0-9]*/stat; exit 4";
    const { status, stdout } = await hello(["--mode", "ring", "--comm", "nobody", "--", "sh", "-c", script], {
      wrapper,
    });
    expect({ status, ours: /^\d+ \(sh\) \w 1 /m.test(stdout) }).toEqual({ status: 4, ours: true });
    expect(stdout.split("\n").filter((line) => line.includes(") Z "))).toEqual([]);
  });

  testHere("in a session of its own, without a terminal", async () => {
    const run = await new Hello(["--mode", "ring"], { wrapper: ["setsid"] }).attached();
    const { status, stderr } = await run.stop("SIGHUP");
    expect(status).toBe(0);
    expect(stderr).toMatch(/\d+ events, 0 lost\n$/);
  });
});

describe("nothing is left in the kernel", () => {
  const kprobeEvents = () => {
    const script = "mkdir -p /mnt; mount -t tracefs tracefs /mnt; cat /mnt/kprobe_events 2>/dev/null; :";
    return Bun.spawnSync(["unshare", "--mount", "sh", "-c", script]).stdout.toString();
  };

  // In guests one that is a perf event: links are of one kind.
  for (const hook of fewerInGuests(workingHooks(), ["kprobe"] as const))
    for (const signal of fewerInGuests<"SIGTERM" | "SIGKILL">(["SIGTERM", "SIGKILL"], ["SIGKILL"]))
      test(`of any mode by ${hook} after ${signal}`, async () => {
        const before = kprobeEvents();
        const runs = ALL_MODES.map((mode) => new Hello(["--mode", mode, "--attach", hook]));
        await Promise.all(runs.map((run) => run.attached()));
        const objects = runs.map(({ pid }) => kernelObjects(pid));
        for (const [i, { prog, map }] of objects.entries()) {
          // bloom watches no call, but two moments of a new program.
          expect(prog).toHaveLength(ALL_MODES[i] === "bloom" ? 2 : 1);
          expect(map.length).toBeGreaterThanOrEqual(2);
        }
        expect(kprobeEvents()).toBe(before);
        await Promise.all(runs.map((run) => run.stop(signal)));
        for (const held of objects) expect(await leftBehind(held)).toEqual([]);
        expect(kprobeEvents()).toBe(before);
      });

  test("no probe of a kprobe after SIGKILL", async () => {
    if (missingHook("kprobe")) return console.log(`skipped: ${missingHook("kprobe")}`);
    const probes = () => {
      const script = "mkdir -p /mnt; mount -t debugfs debugfs /mnt; cat /mnt/kprobes/list";
      const { stdout } = Bun.spawnSync(["unshare", "--mount", "sh", "-c", script]);
      return linesOf(stdout.toString()).filter((line) => line.includes("sys_execve"));
    };
    const run = await new Hello(["--mode", "ring", "--attach", "kprobe"]).attached();
    expect(probes()).toHaveLength(1);
    await run.stop("SIGKILL");
    for (let i = 0; i < 50 && probes().length > 0; i++) await Bun.sleep(100);
    expect(probes()).toEqual([]);
  });

  test("of a run that could not attach", async () => {
    const script = `${EXECUTABLE} --mode ring --attach tracepoint --syscall create_module 2>/dev/null & wait $!`;
    const programs = () =>
      JSON.parse(Bun.spawnSync(["bpftool", "-j", "prog", "show"]).stdout.toString()).map((p: { id: number }) => p.id);
    const before = programs();
    Bun.spawnSync(["sh", "-c", script]);
    let after: number[] = programs();
    // Others may come and go on this machine: what stays and is new would be ours.
    for (let i = 0; i < 30 && after.some((id) => !before.includes(id)); i++) {
      await Bun.sleep(100);
      after = programs().filter((id: number) => after.includes(id));
    }
    expect(after.filter((id) => !before.includes(id))).toEqual([]);
  });

  test("and no process: a killed run takes no thread of its own with it, a command lives on", async () => {
    const run = await new Hello(["--mode", "ring", "--", "sleep", "60"]).attached();
    const commandOf = (pid: string) => readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").slice(0, -1);
    await run.until(() => commandOf(childrenOf(run.pid) || "self")[0] === "sleep");
    const command = childrenOf(run.pid);
    run.kill("SIGKILL");
    await run.process.exited;
    expect(existsSync(`/proc/${run.pid}`)).toBe(false);
    expect(commandOf(command)).toEqual(["sleep", "60"]);
    process.kill(Number(command), "SIGKILL");
  });
});

testHere("nothing is written that was not asked for: text mode's standard output has events only", async () => {
  const shell = new NamedProgram(folder, "sh");
  const run = await new Hello(["--mode", "ring", "-v", "--comm", shell.name, "--buffer-size", "5000"]).attached();
  await shell.run(["-c", processes(2)]);
  const { stdout, stderr } = await run.stop();
  expect(linesOf(stdout)).toHaveLength(2);
  for (const line of linesOf(stderr)) expect(line).toMatch(/^hello-ebpf: |^\d+ events, \d+ lost$/);
  expect(recordsOf("")).toEqual([]);
});
