// Every mode by every attach method of the kernel, with exact counts, and what each mode prints.

import { beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import {
  type Ended,
  expectAll,
  fewerInGuests,
  GUEST,
  Hello,
  HOOKS,
  type HookName,
  hello,
  KERNEL,
  linesOf,
  MODES,
  type ModeName,
  missingHook,
  NamedProgram,
  processes,
  recordsOf,
  SLOWNESS,
  scratch,
  summaryOf,
  workingHooks,
} from "./support.ts";

setDefaultTimeout(20_000 + SLOWNESS * 10_000);
const folder = scratch();
const COUNT = GUEST ? 100 : 1000;
const NOBODY = 65534;
const BUFFER = ["--buffer-size", "4M"];

/** What each hook is attached to, and those that are perf events without a bpf_link (before 5.15). */
const TARGETS: Record<HookName, string> = {
  kprobe: "__x64_sys_execve",
  fentry: "__x64_sys_execve",
  tracepoint: "syscalls/sys_enter_execve",
  raw_tracepoint: "sys_enter",
};
const OLD: readonly HookName[] = KERNEL === "5.10" ? ["kprobe", "tracepoint"] : [];

/** All four modes at once by one hook, and so many processes started under a name that only we have. */
async function watchAll(hook: HookName): Promise<{ name: string; runs: Map<ModeName, Ended> }> {
  const shell = new NamedProgram(folder, "sh");
  const common = ["--attach", hook, "--comm", shell.name, "--output", "jsonl"];
  const started = MODES.map((mode) => new Hello(["--mode", mode, ...common, ...(mode === "ring" ? BUFFER : [])]));
  await Promise.all(started.map((run) => run.attached()));
  expect(await shell.run(["-c", processes(COUNT)])).toBe(0);
  const ended = await Promise.all(started.map((run) => run.stop()));
  const runs = new Map(MODES.map((mode, index) => [mode, ended[index] as Ended]));
  return { name: shell.name, runs };
}

/** What user space was told of in each mode: processes, or a sum. */
function seen(mode: ModeName, run: Ended, name: string): number {
  const records = recordsOf(run.stdout);
  if (mode === "map") {
    const entries = records.filter(({ type }) => type === "map").at(-1)?.entries as { key: number; value: number }[];
    expect(entries.map(({ key }) => key)).toEqual([0]);
    return entries[0]?.value ?? 0;
  }
  const events = records.filter(({ type }) => type === "event");
  // trace_pipe looks a name up when it is read: it may be the one after execve, or gone.
  if (mode !== "trace") expect(new Set(events.map(({ command }) => command))).toEqual(new Set([name]));
  return new Set(events.map(({ pid }) => pid)).size;
}

for (const hook of HOOKS) {
  const reason = missingHook(hook);
  if (reason !== undefined) {
    describe(`by ${hook}, which this kernel has not (${reason})`, () => {
      for (const mode of MODES)
        test(`${mode} is refused in one line`, async () => {
          const { status, stdout, stderr } = await hello(["--mode", mode, "--attach", hook]);
          console.log(`MATRIX ${KERNEL} ${mode} ${hook} no ${reason}`);
          expect([3, 4, 6]).toContain(status);
          expect(stdout).toBe("");
          expect(linesOf(stderr)).toHaveLength(1);
          expect(stderr).toMatch(/^hello-ebpf: Cannot .* gave E[A-Z]+: .+; .+\n$/);
        });
    });
    continue;
  }
  describe(`by ${hook}`, () => {
    let all: Awaited<ReturnType<typeof watchAll>>;
    beforeAll(async () => {
      all = await watchAll(hook);
    });
    for (const mode of MODES)
      test(`${mode} sees ${COUNT} processes, no more and no less`, () => {
        const run = all.runs.get(mode) as Ended;
        const events = Number(/^(\d+) events, 0 lost\n$/m.exec(run.stderr)?.[1]);
        expectAll(run, events, COUNT);
        expect(run.status).toBe(0);
        expect(summaryOf(run.stdout)).toEqual({ produced: events, events, lost: 0 });
        expect(seen(mode, run, all.name)).toBe(events);
        const [attached] = recordsOf(run.stdout);
        const told = { target: TARGETS[hook], means: OLD.includes(hook) ? "ioctl" : "link" };
        expect(attached).toMatchObject({ type: "attached", mode, requested: hook, hook, passed_over: [], ...told });
        console.log(`MATRIX ${KERNEL} ${mode} ${hook} ok`);
      });
  });
}

describe("auto", () => {
  const first = workingHooks()[0] as HookName;

  for (const mode of fewerInGuests(MODES, ["ring"]))
    test(`takes the first hook that the kernel has in ${mode} mode and says why not the earlier ones`, async () => {
      const run = await hello(["--mode", mode, "--output", "jsonl", "--duration", "1ms"]);
      const earlier = HOOKS.slice(0, HOOKS.indexOf(first));
      if (GUEST) expect(first).toBe("kprobe");
      const [attached] = recordsOf(run.stdout);
      expect(attached).toMatchObject({ type: "attached", mode, requested: "auto", hook: first });
      const passedOver = attached?.passed_over as { hook: string; reason: string }[];
      expect(passedOver.map(({ hook }) => hook)).toEqual(earlier);
      const said = linesOf(run.stderr);
      for (const [index, { hook, reason }] of passedOver.entries()) {
        expect(reason.length).toBeGreaterThan(20);
        expect(said[index]).toBe(`hello-ebpf: passed over ${hook}: ${reason}`);
      }
      expect(said[earlier.length]).toStartWith(`hello-ebpf: attached ${mode} to ${first} ${attached?.target}`);
    });
});

/** Starts one process after the other as a user, and answers their numbers in order. */
async function startAs(shell: NamedProgram, count: number, uid?: number): Promise<number> {
  const child = shell.start(["-c", processes(count)], { uid });
  await child.exited;
  return child.pid;
}

describe("text", () => {
  for (const mode of fewerInGuests(["perf", "ring"], ["perf"]))
    test(`${mode}: PID UID COMMAND Hello World, one line an event`, async () => {
      const shell = new NamedProgram(folder, "sh");
      const run = await new Hello(["--mode", mode, "--comm", shell.name]).attached();
      // Each child says its number through its parent's `$!`: an oracle that is not the kernel's own event.
      const oracle = `${folder}/pids-${mode}`;
      const script = "for i in 1 2 3 4 5; do /bin/true & echo $!; wait; done";
      const child = Bun.spawn([shell.path, "-c", `(${script}) >${oracle}`], { argv0: "sh", uid: 0 });
      expect(await child.exited).toBe(0);
      const { stdout } = await run.stop();
      const pids = linesOf(readFileSync(oracle, "utf8"));
      expect(pids).toHaveLength(5);
      const expected = pids.map((pid) => `${pid} 0 ${shell.name} Hello World`);
      // Each CPU has a perf buffer of its own: there is no order among them.
      const shown = linesOf(stdout);
      expect(mode === "perf" ? shown.sort() : shown).toEqual(mode === "perf" ? expected.sort() : expected);
    });

  for (const mode of fewerInGuests(["perf", "ring"], ["ring"]))
    test(`${mode}: the user id is that of the process`, async () => {
      const shell = new NamedProgram("/tmp", "sh");
      const run = await new Hello(["--mode", mode, "--comm", shell.name]).attached();
      await startAs(shell, 2, 1000);
      await startAs(shell, 1, NOBODY);
      const { stdout } = await run.stop();
      // perf has an order for each CPU only.
      const lines = linesOf(stdout).map((line) => line.replace(/^\d+/, "PID"));
      expect(mode === "perf" ? lines.sort() : lines).toEqual([
        `PID 1000 ${shell.name} Hello World`,
        `PID 1000 ${shell.name} Hello World`,
        `PID ${NOBODY} ${shell.name} Hello World`,
      ]);
    });

  test("map: a line of users in order of id, with tabs", async () => {
    const shell = new NamedProgram("/tmp", "sh");
    const run = await new Hello(["--mode", "map", "--comm", shell.name, "--interval", "0.2"]).attached();
    await startAs(shell, 3, NOBODY);
    await startAs(shell, 12);
    await startAs(shell, 5, 1000);
    const { stdout, stderr } = await run.stop();
    expect(linesOf(stdout).at(-1)).toBe(`ID 0: 12\tID 1000: 5\tID ${NOBODY}: 3\t`);
    expect(stderr).toEndWith("20 events, 0 lost\n");
  });

  test("trace: each line as the kernel wrote it", async () => {
    const shell = new NamedProgram(folder, "sh");
    const run = await new Hello(["--mode", "trace", "--comm", shell.name]).attached();
    // While it is stopped, the lines can be read in the file beside the pipe, which takes nothing away.
    run.kill("SIGSTOP");
    await shell.run(["-c", processes(5)]);
    const oracle = traceFile().filter((line) => line.endsWith(": bpf_trace_printk: Hello World!"));
    run.kill("SIGCONT");
    await run.until(({ stdout }) => stdout.split("\n").length > 5);
    const { stdout, stderr } = await run.stop();
    expect(oracle).toHaveLength(5);
    expect(linesOf(stdout)).toEqual(oracle);
    expect(stderr).toEndWith("5 events, 0 lost\n");
  });
});

/** The lines of tracefs's `trace`, mounted for a moment where it is not. */
function traceFile(): string[] {
  const script = "mount -t tracefs tracefs /mnt 2>/dev/null || { mkdir -p /mnt; mount -t tracefs tracefs /mnt; }";
  const { stdout } = Bun.spawnSync(["unshare", "--mount", "sh", "-c", `${script}; cat /mnt/trace`]);
  return stdout.toString().split("\n");
}
