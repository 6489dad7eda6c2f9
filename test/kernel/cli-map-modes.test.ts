// The modes that show what kinds of maps are for: each by every attach method of the kernel with exact counts, and each
// by what only it does.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, closeSync, copyFileSync, mkdirSync, realpathSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { addressOf, syscall } from "../../src/sys/libc.ts";
import { SYSCALL_NUMBERS } from "../../src/sys/syscall-numbers.ts";
import { runScript } from "./lib-support.ts";
import { isSince } from "./maps-support.ts";
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
  missingHook,
  NamedProgram,
  processes,
  ROOT,
  recordsOf,
  SLOWNESS,
  scratch,
  summaryOf,
  userSpace,
  writes,
} from "./support.ts";

setDefaultTimeout(20_000 + SLOWNESS * 10_000);
const folder = scratch();
const COUNT = GUEST ? 30 : 1000;
const FILES = GUEST ? 5 : 20;
const MODES = ["queue", "stack", "lru", "lpm", "bloom", "map-of-maps"] as const;
type ModeName = (typeof MODES)[number];

const call = (name: string, ...args: (number | NodeJS.TypedArray)[]): number => {
  const [a = 0, b = 0, c = 0] = args;
  return syscall(SYSCALL_NUMBERS.get(name) ?? -1, addressOf(a), addressOf(b), addressOf(c));
};

const [AF_UNIX, AF_INET, AF_INET6, SOCK_DGRAM] = [1, 2, 10, 2];

/** connect(2) of a datagram socket of this process: whether it succeeds is no matter, only that it is asked for. */
function connect(family: number, address: readonly number[]): void {
  const fd = call("socket", family, SOCK_DGRAM);
  const sockaddr = new Uint8Array(28);
  sockaddr.set([family, 0, 0, 53]);
  sockaddr.set(address, family === AF_INET6 ? 8 : 4);
  call("connect", fd, sockaddr, family === AF_INET6 ? 28 : 16);
  closeSync(fd);
}

const CIDRS = ["--cidr", "127.0.0.0/8=home", "--cidr", "127.1.0.0/16=office", "--cidr", "::1/128=home"];
/** What is connected to, and how often in each class. */
function connectAll(): Record<string, number> {
  for (let i = 0; i < 30; i++) connect(AF_INET, [127, 0, 0, 1 + i]);
  for (let i = 0; i < 20; i++) connect(AF_INET, [127, 1, 0, 1 + i]);
  for (let i = 0; i < 10; i++) connect(AF_INET6, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
  for (let i = 0; i < 5; i++) connect(AF_INET, [10, 0, 0, 1]);
  for (let i = 0; i < 7; i++) connect(AF_UNIX, [47, 120]); // no address of the network's
  return { home: 40, office: 20, other: 5 };
}

const inFolder = (name: string) => resolve(folder, name);
const SCRIPTS = join(import.meta.dir, "scripts");
const programs = join(folder, "programs");
mkdirSync(programs);
for (let i = 0; i < FILES; i++) copyFileSync(join(ROOT, "build/least-program"), join(programs, `p${i}`));
/** Of a shell script: every one of the files is executed twice. */
const everyFileTwice = `for n in 1 2; do i=0; while [ $i -lt ${FILES} ]; do ${programs}/p$i; i=$((i+1)); done; done`;
/** One of them is another from then on, in its place. */
const rewritten = `${programs}/p0`;
const ANEW = `cat ${programs}/p1 >${rewritten}; ${rewritten}`;

/** Every mode at once by one hook, while things happen that only they watch. */
async function watchAll(hook: HookName, modes: readonly ModeName[]) {
  const shell = new NamedProgram(folder, "sh");
  const common = ["--attach", hook, "--output", "jsonl", "--interval", "0.5"];
  const filter = (mode: ModeName) => (mode === "lpm" ? ["--pid", `${process.pid}`, ...CIDRS] : ["--comm", shell.name]);
  const started = modes.map((mode) => new Hello(["--mode", mode, ...common, ...filter(mode)]));
  await Promise.all(started.map((run) => run.attached()));
  expect(await shell.run(["-c", `${processes(COUNT - 2 * FILES - 2)}; ${everyFileTwice}; ${ANEW}`])).toBe(0);
  const classes = connectAll();
  await Bun.sleep(600); // one refresh, in which map-of-maps gives the user a map
  expect(await shell.run(["-c", processes(10)])).toBe(0);
  const ended = await Promise.all(started.map((run) => run.stop()));
  return { name: shell.name, classes, runs: new Map(modes.map((mode, i) => [mode, ended[i] as Ended])) };
}

type Entry = { key: string | number; value: number | Entry[] };
const lastTable = (run: Pick<Ended, "stdout">) =>
  recordsOf(run.stdout).findLast(({ type }) => type === "map")?.entries as Entry[];
const eventsOf = (run: Pick<Ended, "stdout">) => recordsOf(run.stdout).filter(({ type }) => type === "event");

/** What each mode must have shown in the end of so many events. */
const SHOWN: Record<ModeName, (run: Ended, events: number, all: Awaited<ReturnType<typeof watchAll>>) => void> = {
  queue(run, events, { name }) {
    expect(eventsOf(run).map(({ command }) => command)).toEqual(new Array(events).fill(name));
    expect(new Set(eventsOf(run).map(({ pid }) => pid)).size).toBe(events);
  },
  stack(run, events, all) {
    SHOWN.queue(run, events, all);
  },
  lru: (run, events, { name }) => expect(lastTable(run)).toEqual([{ key: name, value: events }]),
  lpm(run, _events, { classes }) {
    expect(Object.fromEntries(lastTable(run).map(({ key, value }) => [key, value]))).toEqual(classes);
  },
  bloom(run) {
    const paths = eventsOf(run).map(({ path }) => path);
    const expected = Array.from({ length: FILES }, (_, i) => join(programs, `p${i}`));
    const [writer] = paths.splice(-2, 1); // cat, or the shell itself where it has one in it
    expect(writer).toBeString();
    expect(paths).toEqual([join(ROOT, "build/least-program"), ...expected, rewritten]);
  },
  "map-of-maps": (run, events, { name }) =>
    expect(lastTable(run)).toEqual([{ key: 0, value: [{ key: name, value: events }] }]),
};
/** bloom watches no system call: it has one way. */
const modesBy = (hook: HookName) => MODES.filter((mode) => mode !== "bloom" || hook === "raw_tracepoint");
const EXPECTED: Record<ModeName, number> = {
  ...{ queue: COUNT + 10, stack: COUNT + 10, lru: COUNT + 10, "map-of-maps": COUNT + 10 },
  ...{ lpm: 65, bloom: FILES + 3 },
};

/** Why the kernel has not what a mode is about. */
const missingMap = (mode: ModeName): string | undefined =>
  mode === "bloom" && !isSince("5.16") ? "bloom filters came with kernel 5.16" : undefined;

for (const mode of MODES) {
  const reason = missingMap(mode);
  if (reason === undefined) continue;
  test(`${mode} is refused in one line, with what it lacks`, async () => {
    const { status, stdout, stderr } = await hello(["--mode", mode]);
    expect([status, stdout]).toEqual([4, ""]);
    expect(stderr).toMatch(
      /^hello-ebpf: Cannot create map known \(BLOOM_FILTER, .* BLOOM_FILTER came with kernel 5\.16, .*\n$/,
    );
    console.log(`MATRIX ${KERNEL} ${mode} raw_tracepoint no ${reason}`);
  });
}

for (const hook of HOOKS) {
  const reason = missingHook(hook);
  const modes = modesBy(hook).filter((mode) => missingMap(mode) === undefined);
  if (reason !== undefined) {
    test(`by ${hook}, which this kernel has not (${reason}), every mode is refused in one line`, async () => {
      for (const mode of modes) {
        const { status, stdout, stderr } = await hello(["--mode", mode, "--attach", hook]);
        expect([3, 4, 6]).toContain(status);
        expect([stdout, linesOf(stderr).length]).toEqual(["", 1]);
        console.log(`MATRIX ${KERNEL} ${mode} ${hook} no ${reason}`);
      }
    });
    continue;
  }
  describe(`by ${hook}`, () => {
    let all: Awaited<ReturnType<typeof watchAll>>;
    beforeAll(async () => {
      all = await watchAll(hook, modes);
    });
    for (const mode of modes)
      test(`${mode} sees what happened, no more and no less`, () => {
        const run = all.runs.get(mode) as Ended;
        const { produced, events, lost } = summaryOf(run.stdout);
        expect([run.status, lost, produced]).toEqual([0, 0, events]);
        expectAll(run, events, EXPECTED[mode]);
        if (events === EXPECTED[mode]) SHOWN[mode](run, events, all);
        console.log(`MATRIX ${KERNEL} ${mode} ${hook} ok`);
      });
  });
}

userSpace(() => {
  test("queue shows what came first, stack what came last, both as lines of text", async () => {
    const shell = new NamedProgram(folder, "sh");
    const pids = join(folder, "pids");
    for (const mode of ["queue", "stack"]) {
      const run = await new Hello(["--mode", mode, "--comm", shell.name, "--interval", "60"]).attached();
      const script = "for i in 1 2 3 4 5; do /bin/true & echo $!; wait; done";
      await Bun.spawn([shell.path, "-c", `(${script}) >${pids}`], { argv0: "sh" }).exited;
      const { stdout, stderr } = await run.stop();
      const lines = linesOf(await Bun.file(pids).text()).map((pid) => `${pid} 0 ${shell.name} Hello World`);
      expect(linesOf(stdout)).toEqual(mode === "queue" ? lines : lines.reverse());
      expect(stderr).toEndWith("5 events, 0 lost\n");
    }
  });

  test("what does not fit a queue or stack is counted as lost, and --entries is what fits", async () => {
    const dd = new NamedProgram(folder, "dd");
    for (const mode of ["queue", "stack"]) {
      const options = ["--syscall", "write", "--comm", dd.name, "--entries", "100", "--interval", "60"];
      const run = await new Hello(["--mode", mode, ...options, "--output", "jsonl"]).attached();
      await dd.run(writes(1000));
      const { stdout, status } = await run.stop();
      expect([status, summaryOf(stdout)]).toEqual([0, { produced: 1000, events: 100, lost: 900 }]);
      const told = recordsOf(stdout).flatMap(({ type, count }) => (type === "lost" ? [Number(count)] : []));
      expect(told.reduce((sum, count) => sum + count, 0)).toBe(900);
    }
  });

  test("queue is asked every --interval, and hands over --count and no more", async () => {
    const dd = new NamedProgram(folder, "dd");
    const options = ["--syscall", "write", "--comm", dd.name, "--interval", "0.2", "--output", "jsonl"];
    const run = await new Hello(["--mode", "queue", ...options, "--count", "7"]).attached();
    await dd.run(writes(100));
    const { stdout, status } = await run.ended();
    expect([status, summaryOf(stdout)]).toEqual([0, { produced: 7, events: 7, lost: 0 }]);

    // All that is there by then, however much.
    const all = await new Hello(["--mode", "queue", ...options.slice(0, 4), "--interval", "2"]).attached();
    await dd.run(writes(5000));
    await all.until((running) => running.stdout.length > 0);
    await Bun.sleep(1000);
    expect(linesOf(all.stdout.slice(0, all.stdout.lastIndexOf("\n") + 1))).toHaveLength(5000);
    await all.stop();
  });

  test("lru shows the --top commands, most events first, and forgets in bounded memory what it cannot keep", async () => {
    const common = ["--syscall", "getppid", "--uid", "65533", "--output", "jsonl", "--interval", "60"];
    const [wide, narrow] = [
      await new Hello(["--mode", "lru", ...common, "--top", "3"]).attached(),
      await new Hello(["--mode", "lru", ...common, "--entries", "32"]).attached(),
    ];
    // As often as the number says, modulo 4; the last three more often.
    const calls = Array.from({ length: 300 }, (_, i) => (i >= 297 ? 10 + i : i % 4));
    const { status, err } = await runScript("named-calls.ts", calls.map(String));
    expect([status, err]).toEqual([0, ""]);
    const total = calls.reduce((sum, count) => sum + count, 0);
    const [all, some] = [await wide.stop(), await narrow.stop()];
    expect(lastTable(all)).toEqual([299, 298, 297].map((i) => ({ key: `lru${i}`, value: 10 + i })));
    expect(summaryOf(all.stdout)).toEqual({ produced: total, events: total, lost: 0 });
    const { produced, events, lost } = summaryOf(some.stdout);
    expect([produced, events + lost]).toEqual([total, total]);
    expect(lost).toBeGreaterThan(0);
    expect(lastTable(some).length).toBeLessThanOrEqual(32);
  });

  test("lpm knows common classes by itself, says them in text, and refuses what is no prefix", async () => {
    const run = await new Hello(["--mode", "lpm", "--pid", `${process.pid}`, "--interval", "60"]).attached();
    connect(AF_INET, [127, 0, 0, 1]);
    connect(AF_INET, [192, 168, 1, 1]);
    connect(AF_INET, [10, 1, 1, 1]);
    connect(AF_INET, [9, 9, 9, 9]);
    connect(AF_INET6, [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    expect((await run.stop()).stdout).toBe("loopback: 1\tprivate: 2\tlink-local: 1\tother: 1\t\n");
    // IPv6's prefixes are IPv6's, and of two equal ones the last one holds.
    const cidrs = ["--cidr", "::/0=six", "--cidr", "9.0.0.0/8=a", "--cidr", "9.0.0.0/8=b"];
    const six = await new Hello([
      ...["--mode", "lpm", "--pid", `${process.pid}`, "--interval", "60"],
      ...cidrs,
    ]).attached();
    connect(AF_INET, [127, 0, 0, 1]);
    connect(AF_INET, [9, 9, 9, 9]);
    connect(AF_INET6, [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    expect((await six.stop()).stdout).toBe("six: 1\tb: 1\tother: 1\t\n");
    for (const wrong of ["10.0.0.0/8", "10.0.0.1/8=a", "10.0.0.0/33=a", "nothing=a", "=a"]) {
      const { status, stderr } = await hello(["--mode", "lpm", "--cidr", wrong]);
      expect([wrong, status, linesOf(stderr).length]).toEqual([wrong, 2, 1]);
      expect(stderr).toContain("--cidr");
    }
  });

  test("bloom reports files that were executed, by whatever name, and scripts by theirs", async () => {
    const shell = new NamedProgram(folder, "sh");
    const least = join(ROOT, "build/least-program");
    const long = join(folder, ...new Array(4).fill("x".repeat(80)));
    for (const name of ["one", "two", long]) mkdirSync(resolve(folder, name), { recursive: true });
    for (const path of ["one/prog", "two/prog", join(long, "a"), join(long, "b"), "by-fd"])
      copyFileSync(least, resolve(folder, path));
    for (const path of ["one/script", "two/script"])
      writeFileSync(join(folder, path), `#!${shell.path}\n`, { mode: 0o755 });
    symlinkSync("one/prog", join(folder, "link"));
    const run = await new Hello(["--mode", "bloom", "--comm", shell.name, "--output", "jsonl"]).attached();
    const again = `cp ${least} new; ./new; rm new;`; // the same number, as likely as not
    const lines = [
      `cd ${folder}; ./nowhere; PATH=/nowhere:${folder}/one:$PATH; prog; ./link; one/../one/prog; cd two; ./prog; ./script`,
      `../one/script; ./script; ${folder}/two/script; ${long}/a; ${long}/b; ${long}/a; cd ..; ${folder}/two/script; ${again} ${again}`,
    ];
    await shell.run([
      "-c",
      `${lines.join("; ")} exec ${process.execPath} ${SCRIPTS}/by-descriptor.ts by-fd ${shell.name}`,
    ]);
    const events = eventsOf(await run.stop());
    expect(events.map(({ path }) => path)).toEqual([
      ...["one/prog", "two/prog", "two/script"].map(inFolder),
      ...[`${folder}/two/../one/script`, inFolder("two/script")], // by another name
      ...[`${long}/a`, `${long}/b`, realpathSync("/bin/cp"), inFolder("new"), realpathSync("/bin/rm"), inFolder("new")],
      ...[realpathSync(process.execPath), inFolder("by-fd")],
    ]);
    expect(new Set(events.map(({ command }) => command))).toEqual(new Set([shell.name]));
  });

  test("bloom: a name that was given up, another user, another mount and a deep folder", async () => {
    const shell = new NamedProgram(folder, "sh");
    const place = join(folder, "places");
    const deep = join(place, ...new Array(70).fill("d"));
    mkdirSync(deep, { recursive: true });
    chmodSync(folder, 0o755); // also for the other user
    const names = ["never", "mine", "theirs", "mounted/prog", join(deep, "far")];
    const [never = "", mine = "", theirs = "", mounted = "", far = ""] = names.map((name) => resolve(place, name));
    for (const path of [never, mine, theirs, far]) copyFileSync(join(ROOT, "build/least-program"), path);
    const run = await new Hello(["--mode", "bloom", "--comm", shell.name, "--output", "jsonl"]).attached();
    const other = "printf another >/proc/self/comm";
    await shell.run(["-c", `${other}; exec ${never}`]);
    await shell.run(["-c", `(${other}; printf ${shell.name} >/proc/self/comm; exec ${mine})`]);
    await shell.run(["-c", theirs], { uid: 65533 });
    const mount = `mkdir ${place}/mounted; mount -t tmpfs tmpfs ${place}/mounted; cp ${mine} ${mounted}`;
    await Bun.spawn(["unshare", "--mount", "sh", "-c", `${mount}; exec ${shell.path} -c "${mounted}; :"`]).exited;
    await shell.run(["-c", far]);
    const events = eventsOf(await run.stop()).map(({ uid, command, path }) => ({ uid, command, path }));
    const most = 64; // names on the way up
    expect(events).toEqual([
      { uid: 0, command: shell.name, path: mine },
      { uid: 65533, command: shell.name, path: theirs },
      { uid: 0, command: shell.name, path: mounted },
      { uid: 0, command: shell.name, path: `.../${far.split("/").slice(-most).join("/")}` },
    ]);
  });

  test("bloom: a script of the same name is another one below another root", async () => {
    const shell = new NamedProgram(folder, "sh");
    const roots = ["root1", "root2"].map(inFolder);
    for (const root of roots) {
      mkdirSync(root);
      copyFileSync(join(ROOT, "build/least-program"), join(root, "interpreter"));
      writeFileSync(join(root, "script"), "#!/interpreter\n", { mode: 0o755 });
    }
    const chroot = join(folder, "chroot");
    copyFileSync(Bun.which("chroot") ?? "", chroot);
    chmodSync(chroot, 0o755);
    const run = await new Hello(["--mode", "bloom", "--comm", "chroot", "--output", "jsonl"]).attached();
    for (const root of [...roots, ...roots]) await shell.run(["-c", `${chroot} ${root} /script; :`]);
    const paths = eventsOf(await run.stop()).map(({ path }) => path);
    expect(paths).toEqual(["/script", "/script"]);
  });

  test("bloom says what rate of new files it takes for known, and it is what arithmetic says, lost ones included", async () => {
    const shell = new NamedProgram(folder, "sh");
    mkdirSync(join(folder, "many"));
    const many = Array.from({ length: 120 }, (_, i) => join(folder, "many", `p${i}`));
    for (const path of many) copyFileSync(join(ROOT, "build/least-program"), path);
    const bits = 512; // 64 entries by 5 hash functions, times 7/5, as a power of two
    const options = ["--mode", "bloom", "--comm", shell.name, "--entries", "64", "--buffer-size", "4K"];
    for (const count of [0, 15, many.length]) {
      const run = await new Hello([...options, "--output", "jsonl"]).attached();
      run.kill("SIGSTOP"); // the buffer has room for three
      await shell.run(["-c", many.slice(0, count).join("; ")]);
      run.kill("SIGCONT");
      const { stdout, stderr } = await run.stop();
      const said = recordsOf(stdout).find(({ type }) => type === "bloom") as unknown as Record<string, number>;
      const { files = 0, asked = 0, known = 0, false_positive_rate: measured = 0, expected_rate: expected } = said;
      const { produced, events, lost } = summaryOf(stdout);
      expect([files, events, lost]).toEqual([produced, Math.min(3, files), Math.max(0, files - 3)]);
      // Some of many are taken for known.
      expect(files).toBeLessThanOrEqual(count);
      expect(files).toBeGreaterThanOrEqual(count * 0.9);
      expect(expected).toBeCloseTo((1 - Math.exp((-5 * files) / bits)) ** 5, 10);
      expect(Math.abs(measured - Number(expected))).toBeLessThan(0.07);
      expect(asked).toBeWithin(1000, 10_001); // as many as there is time for
      expect(known).toBe(Math.round(measured * asked));
      if (count === many.length) expect(measured).toBeGreaterThan(0.07);
      expect(stderr).toContain(
        `${files} files; of ${asked} that were never executed ${known} would be taken for known: `,
      );
    }
  });

  test("map-of-maps gives each user a map while it runs, and keeps the capability that it takes and no other", async () => {
    const shell = new NamedProgram("/tmp", "sh");
    const options = ["--comm", shell.name, "--interval", "0.2", "--output", "jsonl", "-v"];
    const run = await new Hello(["--mode", "map-of-maps", ...options]).attached();
    afterAll(() => run.kill("SIGKILL"));
    for (let round = 0; round < 2; round++) {
      for (const [uid, count] of [
        [0, 3],
        [65533, 5],
      ] as const)
        await shell.run(["-c", processes(count)], { uid });
      await run.until(({ stdout }) => stdout.includes('"key":65533'));
      await Bun.sleep(300);
    }
    // What came once the user had a map is in it.
    const dump = Bun.spawnSync(["bpftool", "-j", "map", "dump", "name", "user_65533"]).stdout.toString();
    const formatted = (JSON.parse(dump) as { formatted: { value: number } }[]).map((entry) => entry.formatted.value);
    expect(formatted).toEqual([5]);
    const { stdout, stderr } = await run.stop();
    expect(lastTable({ stdout })).toEqual([
      { key: 0, value: [{ key: shell.name, value: 6 }] },
      { key: 65533, value: [{ key: shell.name, value: 10 }] },
    ]);
    expect(summaryOf(stdout)).toEqual({ produced: 16, events: 16, lost: 0 });
    expect(stderr).toMatch(/capabilities kept: CAP_BPF\n/);
  });

  test("map-of-maps counts users for whose map there is no room with the others, and says so once", async () => {
    const program = new NamedProgram(folder, "sh").name;
    const options = ["--mode", "map-of-maps", "--syscall", "getppid", "--comm", program, "--interval", "0.2"];
    for (const [wrapper, users, cause] of [
      [[], 1030, /1024 users have a map .* gave E2BIG: /],
      [["prlimit", "--nofile=60"], 60, /\d+ users have a map .* gave EMFILE: /],
    ] as const) {
      const run = await new Hello([...options, "--output", "jsonl"], { wrapper }).attached();
      for (let round = 0; round < 2; round++) {
        const { status, err } = await runScript("calls-of-users.ts", [program, "70000", `${users}`]);
        expect([status, err]).toEqual([0, ""]);
        await Bun.sleep(500); // a refresh
      }
      const { status, stdout, stderr } = await run.stop();
      expect(stderr).toMatch(cause);
      expect(stderr.match(/users have a map/g)).toHaveLength(1);
      expect([status, summaryOf(stdout)]).toEqual([0, { produced: 2 * users, events: 2 * users, lost: 0 }]);
      const value = [{ key: program, value: 2 }];
      expect(lastTable({ stdout })).toEqual(Array.from({ length: users }, (_, i) => ({ key: 70000 + i, value })));
    }
  });

  test("map-of-maps counts as lost what has no room in a user's map", async () => {
    const options = ["--syscall", "getppid", "--uid", "65533", "--interval", "0.2", "--output", "jsonl"];
    const run = await new Hello(["--mode", "map-of-maps", ...options]).attached();
    const names = (count: number) => runScript("named-calls.ts", new Array(count).fill("1"));
    await names(1);
    await run.until(({ stdout }) => stdout.includes('"key":65533'));
    await names(600);
    const { status, stdout, stderr } = await run.stop();
    const [before, size] = [1, 512];
    expect([status, summaryOf(stdout)]).toEqual([0, { produced: 601, events: before + size, lost: 600 - size }]);
    expect(stderr).toEndWith(`${before + size} events, ${600 - size} lost\n`);
  });

  test("what has no effect in a mode is said, and stops nobody", async () => {
    for (const [mode, option, value] of [
      ["lpm", "--top", "3"],
      ["ring", "--entries", "3"],
      ["bloom", "--interval", "3"],
      ["lpm", "--syscall", "write"],
      ["bloom", "--attach", "tracepoint"],
      ["bloom", "--syscall", "write"],
    ] as const) {
      const run = await hello(["--mode", mode, option, value, "--duration", "1ms"]);
      expect([run.status, run.stderr]).toEqual([0, expect.stringContaining(`${option} has no effect in ${mode} mode`)]);
    }
    const refused = await hello([
      "--mode",
      "sockmap",
      "--comm",
      "sh",
      "--listen",
      "127.0.0.1:1",
      "--to",
      "127.0.0.1:1",
    ]);
    expect([refused.status, refused.stderr]).toEqual([
      2,
      expect.stringMatching(/^hello-ebpf: Expected --to to lead elsewhere.*\n$/),
    ]);
  });

  test("each mode ends in order by its command's end, a time and a count", async () => {
    for (const mode of fewerInGuests(MODES, ["queue"])) {
      const command = await hello(["--mode", mode, "--", "/bin/sh", "-c", "exit 7"]);
      expect([mode, command.status]).toEqual([mode, 7]);
      const time = await hello(["--mode", mode, "--duration", "50ms", "--output", "jsonl"]);
      expect([mode, time.status, recordsOf(time.stdout).at(-1)?.type]).toEqual([mode, 0, "summary"]);
    }
    for (const mode of ["lru", "lpm", "map-of-maps"]) {
      const count = await hello(["--mode", mode, "--count", "3", "--interval", "0.05", "--output", "jsonl"]);
      expect(recordsOf(count.stdout).filter(({ type }) => type === "map")).toHaveLength(3);
    }
  });
});
