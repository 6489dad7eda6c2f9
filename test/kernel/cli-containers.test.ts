// What containers need: the least privileges once attached, events that say where their process is, CPUs that come.

import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, rmdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  ALL_MODES,
  fewerInGuests,
  Hello,
  KERNEL,
  linesOf,
  NamedProgram,
  processes,
  recordsOf,
  SLOWNESS,
  scratch,
  testHere,
  threadPrivileges,
  userSpace,
} from "./support.ts";

setDefaultTimeout(20_000 + SLOWNESS * 3_000);

const folder = scratch();
const status = (pid: number, field: string) =>
  new RegExp(`^${field}:\\s*(.*)$`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? "";

// include/uapi/linux/capability.h
const CAP_KILL = 1n << 5n;
const CAP_BPF = 1n << 39n;
/** Before 5.19 every bpf(2) wants CAP_BPF while this is set (kernel/bpf/syscall.c); of our kernels that is 5.10. */
const restricted = readFileSync("/proc/sys/kernel/unprivileged_bpf_disabled", "utf8").trim() !== "0";
const NEEDED = KERNEL === "5.10" && restricted ? CAP_BPF : 0n;

/** What every thread has once events are read, and how the run ended. */
async function capabilities(args: readonly string[]) {
  const hello = await new Hello(args).attached();
  const threads = () => threadPrivileges(hello.pid);
  if (args.includes("--keep-privileges")) await Bun.sleep(500);
  // no_new_privs is the last that is set; the waiting thread is started after that
  else await hello.until(() => threads().every(({ noNewPrivileges }) => noNewPrivileges));
  await Bun.sleep(20 * SLOWNESS);
  const found = threads();
  expect(found.length).toBeGreaterThan(4); // ours, the collector's, the compiler's, the allocator's
  return { threads: found, ended: await hello.stop() };
}

const left = (kept: bigint) => ({
  ...{ effective: kept, permitted: kept, inheritable: 0n, ambient: 0n, bounding: kept & CAP_KILL },
  noNewPrivileges: true,
});

describe("capabilities once attached", () => {
  for (const mode of fewerInGuests(ALL_MODES, ["ring"])) {
    test(`${mode}: every thread keeps only what is needed`, async () => {
      const needed = mode === "map-of-maps" ? CAP_BPF : NEEDED; // it makes maps until the end
      const { threads, ended } = await capabilities(["--mode", mode, "-v"]);
      for (const thread of threads) expect(thread).toEqual({ thread: thread.thread, ...left(needed) });
      expect(ended.stderr).toContain(`capabilities kept: ${needed ? "CAP_BPF" : "none"}\n`);
      expect(ended.stderr).toMatch(/^\d+ events, 0 lost$/m); // the accounts can still be read
      expect(ended.status).toBe(0);
    });
  }

  // The same mechanism for every mode: that each says right what it needs is no matter of the kernel.
  userSpace(() => {
    for (const [mode, kept, ...args] of [
      ["chain", 0n],
      ["queue", 0n],
      ["lpm", 0n, "--cidr", "10.0.0.0/8=office"],
      ["map-of-maps", CAP_BPF],
      ["sockmap", 0n, "--listen", "127.0.0.1:29083", "--to", "127.0.0.1:1"],
    ] as const)
      test(`${mode}: every thread keeps only what is needed`, async () => {
        const { threads, ended } = await capabilities(["--mode", mode, ...args]);
        for (const thread of threads)
          expect(thread).toEqual({ thread: thread.thread, ...left(kept | NEEDED), bounding: 0n });
        expect(ended.status).toBe(0);
      });
  });

  testHere("CAP_KILL as well while there is a command to end", async () => {
    const { threads, ended } = await capabilities(["--mode", "ring", "--", "/bin/sleep", "60"]);
    for (const thread of threads) expect(thread).toEqual({ thread: thread.thread, ...left(NEEDED | CAP_KILL) });
    expect(ended.status).toBe(0);
  });

  testHere("--keep-privileges leaves all", async () => {
    const own = threadPrivileges(process.pid)[0];
    const { threads } = await capabilities(["--mode", "ring", "--keep-privileges"]);
    for (const thread of threads) expect(thread).toEqual({ ...own, thread: thread.thread } as typeof thread);
  });

  testHere("what threads keep that cannot be told to give it up is counted", async () => {
    const script = join(import.meta.dir, "scripts/drop-with-signal-taken.ts");
    const child = Bun.spawn([process.execPath, script], { stdio: ["ignore", "pipe", "inherit"] });
    const { dropped, threads } = JSON.parse(await child.stdout.text());
    const [own, ...others] = threads as { effective: string }[];
    expect({ dropped, own: own?.effective }).toEqual({
      dropped: { capabilities: [], threads: others.length },
      own: "0",
    });
    expect(others.length).toBeGreaterThan(0);
    for (const { effective } of others) expect(effective).not.toBe("0");
  });

  testHere("the command gets what we were given", async () => {
    const hello = new Hello([
      "--mode",
      "ring",
      "--",
      "/bin/sh",
      "-c",
      "while read l; do case $l in CapEff*|NoNew*) echo $l;; esac; done < /proc/self/status >&2",
    ]);
    const { stderr } = await hello.ended();
    expect(stderr).toContain(`CapEff: ${status(process.pid, "CapEff")}\n`);
    expect(stderr).toContain("NoNewPrivs: 0\n");
  });
});

/** Where the second version of cgroups is mounted. */
const CGROUPS = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].find((path) => existsSync(`${path}/cgroup.procs`));

describe("where a process is, as JSON", () => {
  for (const mode of fewerInGuests(["perf", "ring"], ["ring"])) {
    test(`${mode}: the pid in its own namespace`, async () => {
      const shell = new NamedProgram(folder, "sh");
      const hello = await new Hello(["--mode", mode, "--comm", shell.name, "--output", "jsonl"]).attached();
      const inside = Bun.spawn(["unshare", "-p", "-f", ...shell.command, "-c", `${processes(2)}; exec /bin/sleep 60`], {
        stdio: ["ignore", "ignore", "ignore"],
      });
      await hello.until(({ stdout }) => stdout.split('"event"').length > 3);
      const events = recordsOf((await hello.stop()).stdout).filter(({ type }) => type === "event");
      // In any order: each CPU has a perf buffer of its own.
      expect(events.map(({ nspid }) => nspid).sort()).toEqual([1, 2, 3]);
      // The shell itself is still there to be asked: it has become the sleeper.
      const sleeper = Number(events.find(({ nspid }) => nspid === 1)?.pid);
      expect(status(sleeper, "NSpid").split(/\s+/).map(Number)).toEqual([sleeper, 1]);
      process.kill(sleeper, "SIGKILL");
      await inside.exited;
    });

    test.skipIf(CGROUPS === undefined)(`${mode}: the cgroup's id`, async () => {
      const cgroup = join(CGROUPS as string, `hello-${process.pid}-${mode}`);
      mkdirSync(cgroup);
      afterAll(() => rmdirSync(cgroup));
      const shell = new NamedProgram(folder, "sh");
      const hello = await new Hello(["--mode", mode, "--comm", shell.name, "--output", "jsonl"]).attached();
      await shell.run(["-c", `${processes(1)}; echo $$ > ${cgroup}/cgroup.procs; ${processes(1)}`]);
      const events = recordsOf((await hello.stop()).stdout).filter(({ type }) => type === "event");
      const ids = [statSync(ownCgroup()).ino, statSync(cgroup).ino];
      expect(new Set(events.map((event) => event.cgroup))).toEqual(new Set(ids));
    });
  }

  testHere("text has no room for it", async () => {
    const shell = new NamedProgram(folder, "sh");
    const hello = await new Hello(["--mode", "ring", "--comm", shell.name]).attached();
    await shell.run(["-c", processes(1)]);
    expect(linesOf((await hello.stop()).stdout)[0]).toMatch(new RegExp(`^\\d+ 0 ${shell.name} Hello World$`));
  });
});

/** This process's own cgroup, as a folder. */
function ownCgroup(): string {
  const path = /^0::(.*)$/m.exec(readFileSync("/proc/self/cgroup", "utf8"))?.[1] ?? "/";
  return join(CGROUPS as string, path);
}

const SWITCH = "/sys/devices/system/cpu/cpu1/online";
/** The command runs on this CPU only. */
const onCpu = (cpu: number, command: readonly string[]) => ["taskset", "-c", String(cpu), ...command];

describe.skipIf(!existsSync(SWITCH))("a CPU that goes and comes while perf is read", () => {
  afterAll(() => writeFileSync(SWITCH, "1"));

  async function bounce(extra: readonly string[]) {
    const shell = new NamedProgram(folder, "sh");
    const hello = await new Hello(["--mode", "perf", "--comm", shell.name, "--output", "jsonl", ...extra]).attached();
    writeFileSync(SWITCH, "0");
    await Bun.sleep(1500 + SLOWNESS * 20);
    writeFileSync(SWITCH, "1");
    await Bun.sleep(1500 + SLOWNESS * 20);
    for (const cpu of [0, 1]) {
      const child = Bun.spawn(onCpu(cpu, [...shell.command, "-c", processes(5)]), {
        stdio: ["ignore", "ignore", "inherit"],
      });
      expect(await child.exited).toBe(0);
    }
    return await hello.stop();
  }

  test("is reported, its events lost and counted, without the privileges to open it", async () => {
    const { status: ended, stdout, stderr } = await bounce([]);
    expect(stderr).toMatch(/a CPU came online and is not read, its events are lost: .*CPU 1.*--keep-privileges/);
    expect(recordsOf(stdout).at(-1)).toMatchObject({ type: "summary", produced: 10, events: 5, lost: 5 });
    expect(ended).toBe(0);
  });

  testHere("is read with --keep-privileges", async () => {
    const { stdout, stderr } = await bounce(["--keep-privileges"]);
    expect(stderr).not.toContain("came online");
    expect(recordsOf(stdout).at(-1)).toMatchObject({ type: "summary", produced: 10, events: 10, lost: 0 });
  });
});
