// The modes whose programs and runs share a map: chain, and config with its second call. All hooks at once, to one load of
// processes.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
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
  recordsOf,
  SLOWNESS,
  scratch,
  summaryOf,
  uniqueName,
  userSpace,
  workingHooks,
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

  test("chain: calls of one stretch of time that end in the next are reported there", async () => {
    const [uid, stretch, calls] = [64321, 2, 4];
    const common = ["--mode", "chain", "--syscall", "clock_nanosleep", "--uid", `${uid}`, "--output", "jsonl"];
    const run = await new Hello([...common, "--limit", `${calls - 1}`, "--interval", `${stretch}`]).attached();
    // Nobody of that user ends a call between the last one that begins and the first one that ends.
    const into = Number(process.hrtime.bigint() % BigInt(stretch * 1e9)) / 1e6;
    await Bun.sleep(stretch * 1000 - into + 50);
    const sleeps = Array.from({ length: calls }, () => Bun.spawn(["sleep", `${stretch}`], { uid, gid: uid }));
    expect(await Promise.all(sleeps.map((one) => one.exited))).toEqual(sleeps.map(() => 0));
    expect(eventsOf(await run.stop())).toMatchObject([{ uid, count: calls }]);
  });

  test("config: who shares the pinned filters leaves them", async () => {
    const pin = pinFolder("shared");
    const first = await new Hello(["--mode", "config", "--pin", pin, "--uid", "4242"]).attached();
    const second = await new Hello(["--mode", "config", "--pin", pin]).attached();
    expect((await second.stop()).stderr).toContain(`filters at ${pin}/hello_filters: uid 4242\n`);
    expect(existsSync(join(pin, "hello_filters"))).toBe(true);
    const { stdout } = await hello(["config", "--pin", pin]);
    expect(stdout).toBe(`${pin}/hello_filters: every call\n`);
    await first.stop();
    expect(existsSync(join(pin, "hello_filters"))).toBe(false);
  });

  test("config: what is not there is said in one line", async () => {
    for (const [args, line] of [
      [
        ["config", "--pin", bpffs],
        /Cannot find .*hello_filters: no --mode config runs there; start one, or say where by --pin$/,
      ],
      [["--mode", "config", "--pin", folder], /no bpffs is mounted there; mount one: mount -t bpf bpf /],
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

    test("the folder is named to who may not enter it", async () => {
      const keptOut = of(closed, 0, "1?700");
      await refused(unprivileged, START, keptOut, 3);
      await refused(unprivileged, CHANGE, keptOut, 3);
      await refused(unprivileged, ["map", "dump", pinned], keptOut, 3);
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

    test("a folder that can be written by capability alone: the pin stays, and that is said", async () => {
      const theirs = join(closed, "theirs");
      mkdirSync(theirs, { mode: 0o700 });
      chownSync(theirs, NOBODY, NOBODY);
      const { status, stderr } = await hello(["--mode", "config", "--pin", theirs, "--duration", "100ms"]);
      expect({ status, stderr }).toEqual({
        status: 0,
        stderr: expect.stringContaining(
          `${theirs}/hello_filters could not be removed (EACCES): the next one shares it\n`,
        ),
      });
      expect(existsSync(join(theirs, "hello_filters"))).toBe(true);
    });

    test("mounted read-only, it is named so", async () => {
      mount("-o", "remount,ro");
      await refused([], START, /BPF_OBJ_PIN\) gave EROFS: the bpffs is mounted read-only; .* without :ro\)$/, 1);
      mount("-o", "remount,rw");
    });
  });
});
