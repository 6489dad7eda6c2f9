// The modes whose programs and runs share a map: chain, and config with its second call. All hooks at once, to one load of
// processes.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, rmdirSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Address, cString, syscall } from "../../src/sys/libc.ts";
import { SYSCALL_NUMBERS } from "../../src/sys/syscall-numbers.ts";
import { runScript } from "./lib-support.ts";
import {
  type Ended,
  Hello,
  HOOKS,
  hello,
  KERNEL,
  linesOf,
  missingHook,
  NamedProgram,
  processes,
  readText,
  recordsOf,
  SLOWNESS,
  scratch,
  summaryOf,
  uniqueName,
  userSpace,
  workingHooks,
  writes,
} from "./support.ts";

setDefaultTimeout(20_000 + SLOWNESS * 10_000);
const folder = scratch();
const NOBODY = 65534;
const LIMIT = 10;

/** A bpffs of our own, a folder in it for each run. */
const bpffs = mkdtempSync(join(tmpdir(), "hello-bpffs-"));
beforeAll(() => {
  chmodSync(folder, 0o755); // also for the other user
  expect(Bun.spawnSync(["mount", "-t", "bpf", "bpf", bpffs]).exitCode).toBe(0);
});
afterAll(() => {
  Bun.spawnSync(["umount", bpffs]);
  rmdirSync(bpffs);
});
function pinFolder(name: string): string {
  const path = join(bpffs, name);
  mkdirSync(path);
  return path;
}

const call = (name: string, ...args: Address[]) => syscall(SYSCALL_NUMBERS.get(name) ?? -1, ...args);

const eventsOf = ({ stdout }: Ended) => recordsOf(stdout).filter(({ type }) => type === "event");

describe("chain and config", () => {
  const hooks = workingHooks();
  const runs = new Map<string, { chain: Ended; config: Ended; pinnedAtEnd: boolean }>();

  beforeAll(async () => {
    const shell = new NamedProgram(folder, "sh");
    const started = await Promise.all(
      hooks.map(async (hook) => {
        const common = ["--attach", hook, "--output", "jsonl"];
        const pin = pinFolder(hook);
        const window = ["--interval", "100000", "--limit", `${LIMIT}`];
        const chain = new Hello(["--mode", "chain", ...common, ...window, "--comm", shell.name]);
        const config = new Hello(["--mode", "config", ...common, "--pin", pin, "--comm", shell.name.slice(0, -1)]);
        await Promise.all([chain.attached(), config.attached()]);
        return { hook, pin, chain, config };
      }),
    );
    expect(await shell.run(["-c", processes(LIMIT - 2)], { uid: NOBODY })).toBe(0);
    for (const { pin } of started) {
      const { status } = await hello(["config", "--pin", pin, "--comm", shell.name, "--uid", `${NOBODY}`]);
      expect(status).toBe(0);
    }
    expect(await shell.run(["-c", processes(LIMIT / 2)])).toBe(0); // of another user: together they are over it
    expect(await shell.run(["-c", processes(LIMIT)], { uid: NOBODY })).toBe(0);
    for (const { hook, pin, chain, config } of started) {
      const ended = { chain: await chain.stop(), config: await config.stop() };
      runs.set(hook, { ...ended, pinnedAtEnd: existsSync(join(pin, "hello_filters")) });
    }
  });

  for (const hook of hooks) {
    test(`chain by ${hook}: who is over the limit is reported once, by the program that does not count`, () => {
      const { chain } = runs.get(hook) as { chain: Ended };
      expect(eventsOf(chain)).toMatchObject([{ uid: NOBODY, count: LIMIT + 1 }]);
      expect(summaryOf(chain.stdout)).toEqual({ produced: 1, events: 1, lost: 0 });
      expect(chain.status).toBe(0);
      console.log(`MATRIX ${KERNEL} chain ${hook} ok`);
    });

    test(`config by ${hook}: the filters of the second call hold from then on`, () => {
      const { config, pinnedAtEnd } = runs.get(hook) as { config: Ended; pinnedAtEnd: boolean };
      expect(eventsOf(config).map(({ uid }) => uid)).toEqual(new Array(LIMIT).fill(NOBODY));
      expect(summaryOf(config.stdout)).toEqual({ produced: LIMIT, events: LIMIT, lost: 0 });
      expect({ status: config.status, pinnedAtEnd }).toEqual({ status: 0, pinnedAtEnd: false });
      console.log(`MATRIX ${KERNEL} config ${hook} ok`);
    });
  }
});

for (const hook of HOOKS.filter((one) => missingHook(one) !== undefined))
  for (const mode of ["chain", "config"])
    test(`${mode} by ${hook}, which this kernel has not, is refused in one line`, async () => {
      const { status, stderr } = await hello(["--mode", mode, "--attach", hook, "--pin", bpffs]);
      expect(linesOf(stderr).at(-1)).toMatch(/^hello-ebpf: Cannot .* gave E[A-Z]+: .+; .+$/);
      expect([3, 4, 6]).toContain(status);
      expect(existsSync(join(bpffs, "hello_filters"))).toBe(false);
      console.log(`MATRIX ${KERNEL} ${mode} ${hook} no ${missingHook(hook)}`);
    });

userSpace(() => {
  test("chain: another system call, as text", async () => {
    const program = new NamedProgram(folder, "dd");
    const args = [
      "--mode",
      "chain",
      "--syscall",
      "read",
      "--limit",
      "3",
      "--interval",
      "100000",
      "--comm",
      program.name,
    ];
    const run = await new Hello(args).attached();
    expect(await program.run(["if=/dev/zero", "of=/dev/null", "bs=1", "count=50"])).toBe(0);
    const { stdout } = await run.stop();
    expect(stdout).toMatch(/^ID 0: \d+ read in 100000 s, now \d+ \S+\n$/);
  });

  /** Calls of this process as another user, one every `apart` seconds: getppid, or execve of nothing. */
  async function callAs(uid: number, count: number, apart = 0, name: "getppid" | "execve" = "getppid"): Promise<void> {
    const [same, path] = [-1, cString("/nonexistent")];
    for (let i = 0; i < count; i++) {
      if (i > 0 && apart > 0) await Bun.sleep(apart * 1000);
      expect(call("setresuid", uid, same)).toBe(0); // of this thread; the effective one stays
      call(name, path);
      expect(call("setresuid", 0, same)).toBe(0);
    }
  }
  const chainOf = (syscall: string, limit: number, interval: number) =>
    new Hello([
      ...["--mode", "chain", "--syscall", syscall, "--pid", `${process.pid}`, "--output", "jsonl"],
      ...["--limit", `${limit}`, "--interval", `${interval}`],
    ]).attached();

  test("chain: an interval may begin at any time, and who stays below the rate is never told of", async () => {
    const [limit, interval, users] = [3, 2, 6];
    const run = await chainOf("getppid", limit, interval);
    // One call too many in 0.6 of an interval, begun at any time of one; and as many more slowly, for 2.6 intervals.
    const quick = Array.from({ length: users }, async (_, i) => {
      await Bun.sleep((i * interval * 1000) / users);
      await callAs(1000 + i, limit + 1, (0.6 * interval) / limit);
    });
    await Promise.all([...quick, callAs(2000, 2 * limit + 1, (1.3 * interval) / limit)]);
    const seen = eventsOf(await run.stop()).map(({ uid, count, pid }) => [uid, count, pid]);
    expect(seen).toEqual(Array.from({ length: users }, (_, i) => [1000 + i, limit + 1, process.pid]));
  });

  test("chain: an excess is told of once in an interval, and again in the next", async () => {
    const run = await chainOf("getppid", 3, 1);
    await callAs(1000, 50);
    await Bun.sleep(1100);
    await callAs(1000, 3);
    await Bun.sleep(1100);
    await callAs(1000, 50);
    expect(eventsOf(await run.stop())).toMatchObject([{ uid: 1000 }, { uid: 1000 }]);
  });

  test("chain: calls that fail count, and are reported when they do", async () => {
    const run = await chainOf("execve", 3, 1000);
    await callAs(1000, 4, 0, "execve");
    expect(eventsOf(await run.stop())).toMatchObject([{ uid: 1000, count: 4, pid: process.pid }]);
  });

  test("chain: calls on several CPUs at once are counted one by one", async () => {
    const [program, processes, calls] = [new NamedProgram(folder, "dd"), 4, 5000];
    const common = ["--mode", "chain", "--syscall", "write", "--comm", program.name, "--interval", "1000"];
    const limits = [processes * calls - 1, processes * calls];
    const runs = limits.map((limit) => new Hello([...common, "--limit", `${limit}`, "--output", "jsonl"]));
    await Promise.all(runs.map((run) => run.attached()));
    await Promise.all(Array.from({ length: processes }, () => program.run(writes(calls))));
    const told = await Promise.all(runs.map(async (run) => eventsOf(await run.stop()).map(({ count }) => count)));
    expect(told).toEqual([[processes * calls], []]);
  });

  test("chain: calls that end when their interval is over are reported then", async () => {
    const [uid, calls] = [64321, 4];
    const common = ["--mode", "chain", "--syscall", "clock_nanosleep", "--uid", `${uid}`, "--output", "jsonl"];
    const run = await new Hello([...common, "--limit", `${calls - 1}`, "--interval", "1"]).attached();
    // Nobody of that user ends a call between the last one that begins and the first one that ends.
    const sleeps = Array.from({ length: calls }, () => Bun.spawn(["sleep", "2"], { uid, gid: uid }));
    expect(await Promise.all(sleeps.map((one) => one.exited))).toEqual(sleeps.map(() => 0));
    expect(eventsOf(await run.stop())).toMatchObject([{ uid, count: calls }]);
  });

  test("chain: named is who made the call, not who ends another one meanwhile", async () => {
    const uid = 64322;
    const common = ["--mode", "chain", "--uid", `${uid}`, "--limit", "2", "--interval", "1000", "--output", "jsonl"];
    const filtered = ["--syscall", "clock_nanosleep", "--comm", "sleep"];
    const run = await new Hello([...common, ...filtered]).attached();
    const busy = new NamedProgram(folder, "dd").start(["if=/dev/zero", "of=/dev/null", "bs=1"], { uid });
    const sleeps = Array.from({ length: 3 }, () => Bun.spawn(["sleep", "0.5"], { uid, gid: uid }));
    await Promise.all(sleeps.map((one) => one.exited));
    busy.kill();
    const told = eventsOf(await run.stop());
    expect(told).toMatchObject([{ uid, count: 3, command: "sleep" }]);
    expect(sleeps.map(({ pid }) => pid)).toContain(Number(told[0]?.pid));
  });

  test("chain: calls that never come back are reported as their process ends", async () => {
    const uid = 64323;
    const common = ["--mode", "chain", "--uid", `${uid}`, "--limit", "1", "--interval", "1000", "--output", "jsonl"];
    const [exits, sleeps] = await Promise.all(
      ["exit_group", "clock_nanosleep"].map((syscall) => new Hello([...common, "--syscall", syscall]).attached()),
    );
    const processes = Array.from({ length: 2 }, () => Bun.spawn(["sleep", "1000"], { uid, gid: uid }));
    for (const one of processes) {
      const inTheCall = () =>
        readText(`/proc/${one.pid}/syscall`).startsWith(`${SYSCALL_NUMBERS.get("clock_nanosleep")} `);
      while (!inTheCall()) await Bun.sleep(10);
      one.kill("SIGKILL");
    }
    await Promise.all(processes.map((one) => one.exited));
    for (let i = 0; i < 2; i++) await Bun.spawn(["true"], { uid, gid: uid }).exited;
    expect(eventsOf(await (sleeps as Hello).stop())).toMatchObject([{ uid, count: 2, command: "sleep" }]);
    expect(eventsOf(await (exits as Hello).stop())).toMatchObject([{ uid, count: 2, command: "true" }]);
  });

  test("chain: more users than there is room for the times of their calls are all told of", async () => {
    const [users, limit] = [300, 100];
    const common = ["--mode", "chain", "--syscall", "getppid", "--limit", `${limit}`, "--interval", "1000"];
    const run = await new Hello([...common, "--output", "jsonl"]).attached();
    const { status, err } = await runScript("calls-as-users.ts", [users, limit + 1].map(String));
    expect([status, err]).toEqual([0, ""]);
    const ended = await run.stop();
    const told = eventsOf(ended).flatMap(({ uid }) => (Number(uid) > 100_000 ? [Number(uid)] : []));
    expect(told).toEqual(Array.from({ length: users }, (_, i) => 100_001 + i));
    expect(summaryOf(ended.stdout).lost).toBe(0);
  });

  test("config: who shares the pinned filters leaves them, and the last one takes them away", async () => {
    for (const lastIsFirst of [true, false]) {
      const pin = pinFolder(`shared-${lastIsFirst}`);
      const path = join(pin, "hello_filters");
      const first = await new Hello(["--mode", "config", "--pin", pin, "--uid", "4242"]).attached();
      const second = await new Hello(["--mode", "config", "--pin", pin]).attached();
      const [sooner, later] = lastIsFirst ? [second, first] : [first, second];
      await second.until(({ stderr }) => stderr.includes(`filters at ${path}: uid 4242\n`));
      await sooner.stop();
      expect(existsSync(path)).toBe(true);
      // Also one that comes now has the filters of who is still there.
      const third = await new Hello(["--mode", "config", "--pin", pin]).attached();
      const { stdout, status } = await hello(["config", "--pin", pin]);
      expect([stdout, status]).toEqual([`${path}: every call\n`, 0]);
      await Promise.all([later, third].map((run) => run.stop()));
      expect(existsSync(path)).toBe(false);
    }
  });

  test("config: what a killed run has left is told from one that runs, and taken away by the next", async () => {
    const pin = pinFolder("killed");
    const path = join(pin, "hello_filters");
    const killed = await new Hello(["--mode", "config", "--pin", pin, "--uid", "4242"]).attached();
    await killed.stop("SIGKILL");
    expect(existsSync(path)).toBe(true);
    const { status, stdout, stderr } = await hello(["config", "--pin", pin, "--uid", "5"]);
    expect([status, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(/^hello-ebpf: Cannot change .*: no --mode config runs there; start one, or .*\n$/);
    const next = await new Hello(["--mode", "config", "--pin", pin]).attached();
    expect((await hello(["config", "--pin", pin, "--uid", "5"])).status).toBe(0);
    await next.stop();
    expect(existsSync(path)).toBe(false);
  });

  test("config: what is pinned there but is no map of its filters is neither written nor taken away", async () => {
    const make = "type array key 4 value 24 entries 1 name hello_filters".split(" ");
    for (const [name, words] of [
      ["an-array", make],
      ["a-name", make.with(1, "hash").with(-1, "others")],
    ] as const) {
      const path = join(pinFolder(name), "hello_filters");
      expect(Bun.spawnSync(["bpftool", "map", "create", path, ...words]).exitCode).toBe(0);
      const { status, stdout, stderr } = await hello(["config", "--pin", join(bpffs, name), "--uid", "5"]);
      expect([status, stdout]).toEqual([1, ""]);
      expect(stderr).toMatch(/^hello-ebpf: Cannot use .*: it is no map of --mode config; remove it, or .*\n$/);
      const run = await hello(["--mode", "config", "--pin", join(bpffs, name), "--uid", "5", "--duration", "1ms"]);
      expect([run.status, existsSync(path)]).toEqual([1, true]);
      const left = Bun.spawnSync(["bpftool", "-j", "map", "dump", "pinned", path]).stdout.toString();
      expect(left).not.toContain("0x05");
    }
  });

  test("config: what is not there is said in one line", async () => {
    for (const [args, line] of [
      [
        ["config", "--pin", bpffs],
        /Cannot find .*hello_filters: no --mode config runs there; start one, or say where by --pin$/,
      ],
      [["--mode", "config", "--pin", folder], /no bpffs is mounted there; use a path below .sys.fs.bpf, or mount /],
      [["config", "--uid", "x"], /'--uid <n>' argument 'x' is invalid/],
    ] as const) {
      const { status, stderr } = await hello(args);
      expect(linesOf(stderr)).toEqual([expect.stringMatching(line)]);
      expect(status).not.toBe(0);
    }
  });

  /** Only root may enter it, as systemd mounts it. */
  describe("config on a bpffs of mode 0700", () => {
    const closed = mkdtempSync(join(tmpdir(), "hello-closed-"));
    const pinned = join(closed, "hello_filters");
    const mount = (...options: string[]) => expect(Bun.spawnSync(["mount", ...options, closed]).exitCode).toBe(0);
    beforeAll(() => mount("-t", "bpf", "-o", "mode=0700", "bpf"));
    afterAll(() => {
      Bun.spawnSync(["umount", closed]);
      rmdirSync(closed);
    });
    const capabilities = ["--inh-caps=-all,+bpf,+perfmon", "--ambient-caps=-all,+bpf,+perfmon"];
    const unprivileged = ["setpriv", `--reuid=${NOBODY}`, "--clear-groups", ...capabilities];
    const rootWithLess = ["setpriv", "--bounding-set=-all,+bpf,+perfmon"];
    const START = ["--mode", "config", "--pin", closed, "--comm", uniqueName()];
    const CHANGE = ["config", "--pin", closed, "--comm", "x"];
    const of = (path: string, uid: number, mode: string) =>
      new RegExp(
        `gave EACCES: ${path} is of user ${uid} with mode ${mode}; .*--user ${uid}\\), .*--cap-add=DAC_OVERRIDE$`,
      );

    async function refused(wrapper: readonly string[], args: readonly string[], line: RegExp, ends: number) {
      const { status, stdout, stderr } = await hello(args, { wrapper });
      expect({ args, status, stdout, lines: linesOf(stderr) }).toEqual({
        ...{ args, status: ends, stdout: "", lines: [expect.stringMatching(line)] },
      });
    }

    test("the folder is named to who is of other groups than its own", async () => {
      const path = join(bpffs, "group");
      mkdirSync(path);
      chmodSync(path, 0o770);
      const member = (groups: string) => ["setpriv", `--reuid=${NOBODY}`, `--regid=${NOBODY}`, `--groups=${groups}`];
      const args = ["--mode", "config", "--pin", path, "--duration", "1ms"];
      await refused([...member(`${NOBODY},5`), ...capabilities], args, of(path, 0, "0770"), 3);
      expect((await hello(args, { wrapper: [...member("5,0"), ...capabilities] })).status).toBe(0);
      rmdirSync(path);
    });

    test("the folder is named to who may not enter it", async () => {
      const keptOut = of(closed, 0, "1?700");
      await refused(unprivileged, START, keptOut, 3);
      await refused(unprivileged, CHANGE, keptOut, 3);
      await refused(unprivileged, ["map", "dump", pinned], keptOut, 3);
    });

    test("so it is behind symbolic links, where a bpffs is one too", async () => {
      const [whole, below] = [join(folder, "whole"), join(folder, "below")];
      mkdirSync(join(closed, "below"));
      symlinkSync(closed, whole);
      symlinkSync("whole/below", below);
      await refused([], ["map", "dump", join(whole, "none")], /gave ENOENT: there is no such file or folder; /, 1);
      const keptOut = of(closed, 0, "1?700");
      for (const link of [whole, below]) {
        await refused(unprivileged, ["--mode", "config", "--pin", link, "--comm", "x"], keptOut, 3);
        await refused(unprivileged, ["map", "dump", join(link, "none")], keptOut, 3);
      }
      rmdirSync(join(closed, "below"));
    });

    test("the pin is named to who may enter the folder", async () => {
      const run = await new Hello(START).attached();
      chmodSync(closed, 0o755);
      const keptOut = of(pinned, 0, "0600");
      await refused(unprivileged, CHANGE, keptOut, 3);
      await refused(unprivileged, START, keptOut, 3);
      chownSync(pinned, NOBODY, NOBODY);
      await refused(rootWithLess, CHANGE, of(pinned, NOBODY, "0600"), 3);
      chmodSync(closed, 0o700);
      expect((await run.stop()).stderr).not.toContain("could not be removed");
      expect(existsSync(pinned)).toBe(false);
    });

    test("a folder that can be written by capability alone: that is kept until the pin is taken away", async () => {
      const theirs = join(closed, "theirs");
      mkdirSync(theirs, { mode: 0o700 });
      chownSync(theirs, NOBODY, NOBODY);
      const { status, stderr } = await hello(["--mode", "config", "--pin", theirs, "--duration", "100ms", "-v"]);
      expect({ status, stderr }).toEqual({
        status: 0,
        stderr: expect.stringContaining("capabilities kept: CAP_DAC_OVERRIDE\n"),
      });
      expect(existsSync(join(theirs, "hello_filters"))).toBe(false);
    });

    test("mounted read-only, it is named so", async () => {
      mount("-o", "remount,ro");
      await refused([], START, /BPF_OBJ_PIN\) gave EROFS: the bpffs is mounted read-only; .* without :ro\)$/, 1);
      mount("-o", "remount,rw");
    });
  });
});
