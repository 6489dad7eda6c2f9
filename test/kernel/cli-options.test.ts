// The options on a live kernel: what is watched, what is left out, when a run ends, how it is printed.

import { describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  describeAtTheEnds,
  EXECUTABLE,
  fewerInGuests,
  Hello,
  HOOKS,
  type HookName,
  hello,
  linesOf,
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
const NOBODY = 65534;
/** What to filter by, the option for it, and how many of the processes pass. */
type Filtered = readonly [name: string, filter: (comm: string, pid: number) => string[], produced: number];

describe("--syscall: another one", () => {
  const entries: Record<HookName, string> = {
    kprobe: "__x64_sys_newuname",
    fentry: "__x64_sys_newuname",
    tracepoint: "syscalls/sys_enter_newuname",
    raw_tracepoint: "sys_enter",
  };
  // In guests by what only they have.
  for (const hook of fewerInGuests<HookName>(HOOKS, ["kprobe", "fentry"]).filter((name) =>
    workingHooks().includes(name),
  ))
    test(`uname by ${hook}, whose entry in the kernel has another name`, async () => {
      const shell = new NamedProgram(folder, "sh");
      const run = await new Hello(["--mode", "ring", "--attach", hook, "--syscall", "uname", ...JSONL]).attached();
      const child = Bun.spawn([shell.path, "-c", "uname -s >/dev/null; :"], { argv0: "sh" });
      await child.exited;
      const { stdout } = await run.stop();
      const records = recordsOf(stdout);
      expect(records[0]).toMatchObject({ hook, target: entries[hook] });
      expect(records.filter(({ type, command }) => type === "event" && command === "uname").length).toBe(1);
    });

  test("raw_tracepoint tells a 32-bit task's call from ours of the same number", async () => {
    const program = `${folder}/compat32`;
    await Bun.write(program, compat32(100));
    Bun.spawnSync(["chmod", "755", program]);
    const { exitCode } = Bun.spawnSync([program]);
    if (exitCode !== 0) return console.log("skipped: this kernel runs no 32-bit programs");
    const args = ["--mode", "ring", "--attach", "raw_tracepoint", "--comm", "compat32", ...JSONL];
    // 11 is munmap to a 64-bit task, execve to a 32-bit one.
    const run = await new Hello([...args, "--syscall", "munmap"]).attached();
    Bun.spawnSync([program]);
    expect(summaryOf((await run.stop()).stdout).produced).toBe(0);
  });
});

/** An ELF32 program that makes the 32-bit system call 11 (with what gives EFAULT) so many times, then exit(0). */
function compat32(times: number): Uint8Array {
  const address = 0x08048000;
  const code = [
    ...[0xbe, times, 0, 0, 0], // mov esi, times
    ...[0xb8, 11, 0, 0, 0], // again: mov eax, 11
    ...[0x31, 0xdb, 0x31, 0xc9, 0x31, 0xd2], // xor ebx, ebx; xor ecx, ecx; xor edx, edx
    ...[0xcd, 0x80], // int 0x80
    ...[0x4e, 0x75, 0xf0], // dec esi; jnz again
    ...[0xb8, 1, 0, 0, 0, 0x31, 0xdb, 0xcd, 0x80], // exit(0)
  ];
  const image = new DataView(new ArrayBuffer(84 + code.length));
  const bytes = new Uint8Array(image.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1]);
  const header: [number, 16 | 32, number][] = [
    ...([
      [16, 16, 2],
      [18, 16, 3],
      [20, 32, 1],
      [24, 32, address + 84],
      [28, 32, 52],
    ] as [number, 16 | 32, number][]),
    ...([
      [40, 16, 52],
      [42, 16, 32],
      [44, 16, 1],
    ] as [number, 16 | 32, number][]),
    ...([
      [52, 32, 1],
      [60, 32, address],
      [64, 32, address],
    ] as [number, 16 | 32, number][]),
    ...([
      [68, 32, bytes.length],
      [72, 32, bytes.length],
      [76, 32, 5],
      [80, 32, 4096],
    ] as [number, 16 | 32, number][]),
  ];
  for (const [offset, bits, value] of header)
    bits === 16 ? image.setUint16(offset, value, true) : image.setUint32(offset, value, true);
  bytes.set(code, 84);
  return bytes;
}

describe("filters: nothing filtered out crosses to user space", () => {
  /** Runs with these filters, all at once, while processes of two users and two names start; their records. */
  async function watch(mode: string, filters: (shell: NamedProgram, pid: number) => string[][]) {
    const shell = new NamedProgram("/tmp", "sh");
    const other = new NamedProgram("/tmp", "sh");
    // The one to filter by its number waits for a line, then calls execve itself: the number stays.
    const waiting = Bun.spawn([shell.path, "-c", "read line; exec /bin/true"], { argv0: "sh", stdin: "pipe" });
    const runs = filters(shell, waiting.pid).map((filter) => new Hello(["--mode", mode, ...filter, ...JSONL]));
    await Promise.all(runs.map((run) => run.attached()));
    await shell.run(["-c", processes(20)]);
    await shell.run(["-c", processes(7)], { uid: NOBODY });
    await other.run(["-c", processes(30)]);
    waiting.stdin.write("go\n");
    await waiting.stdin.end();
    await waiting.exited;
    const ended = await Promise.all(runs.map((run) => run.stop()));
    Bun.spawnSync(["rm", "-f", shell.path, other.path]);
    return { pid: waiting.pid, outputs: ended.map(({ stdout }) => stdout) };
  }

  // trace_pipe gives each line to one reader: several of them take turns in trace mode.
  for (const mode of fewerInGuests(["map", "perf", "ring"], ["ring"]))
    test(`--comm, --uid and --pid in ${mode} mode`, async () => {
      const { pid, outputs } = await watch(mode, ({ name }, pid) => {
        const [byName, byUser, byNumber] = [
          ["--comm", name],
          ["--uid", `${NOBODY}`],
          ["--pid", `${pid}`],
        ];
        const others = [byName, [...byName, "--uid", "0"], [...byNumber, ...byUser]];
        return [byUser, byNumber, [...byName, ...byUser], ...fewerInGuests(others, [])];
      });
      const [user, ...exact] = outputs.map(summaryOf);
      expect(user?.produced).toBeGreaterThanOrEqual(7); // others may run as that user
      expect(user).toMatchObject({ events: user?.produced, lost: 0 });
      const expected = [1, 7, ...fewerInGuests([28, 21, 0], [])];
      expect(exact).toEqual(expected.map((produced) => ({ produced, events: produced, lost: 0 })));
      if (mode === "map") return;
      const events = outputs.map((output) => recordsOf(output).filter(({ type }) => type === "event"));
      expect(new Set(events[0]?.map(({ uid }) => uid))).toEqual(new Set([NOBODY]));
      expect(events[1]?.map((event) => event.pid)).toEqual([pid]);
    });

  for (const [name, filter, produced] of fewerInGuests<Filtered>(
    [
      ["--comm", (comm: string) => ["--comm", comm], 28],
      ["--comm and --uid", (comm: string) => ["--comm", comm, "--uid", `${NOBODY}`], 7],
      ["--pid", (_comm: string, pid: number) => ["--pid", `${pid}`], 1],
    ],
    [],
  ))
    test(`${name} in trace mode`, async () => {
      const { outputs } = await watch("trace", (shell, pid) => [filter(shell.name, pid)]);
      expect(summaryOf(outputs[0] as string)).toEqual({ produced, events: produced, lost: 0 });
    });

  testHere("--comm takes a name of 15 bytes, and no prefix of one", async () => {
    const long = new NamedProgram(folder, "sh", `l${Date.now().toString(36)}abcdefgh`.slice(0, 15).padEnd(15, "z"));
    const run = await new Hello(["--mode", "ring", "--comm", long.name, ...JSONL]).attached();
    const prefix = await new Hello(["--mode", "ring", "--comm", long.name.slice(0, 14), ...JSONL]).attached();
    await long.run(["-c", processes(3)]);
    expect(summaryOf((await run.stop()).stdout).produced).toBe(3);
    expect(summaryOf((await prefix.stop()).stdout).produced).toBe(0);
  });
});

describeAtTheEnds("own events are left out", () => {
  test("by every hook, of a system call that hello-ebpf makes all the time", async () => {
    const args = ["--mode", "ring", "--syscall", "write", "--buffer-size", "4M", ...JSONL];
    const runs = fewerInGuests(workingHooks(), ["raw_tracepoint"]).map(
      (hook) => new Hello([...args, "--attach", hook]),
    );
    await Promise.all(runs.map((run) => run.attached()));
    const dd = new NamedProgram(folder, "dd");
    await dd.run(writes(500));
    await Bun.sleep(100); // time to write what they saw, and to see each other write it
    for (const run of runs) {
      const events = recordsOf((await run.stop()).stdout).filter(({ type }) => type === "event");
      expect(events.filter(({ command }) => command === dd.name)).toHaveLength(500);
      expect(events.filter(({ pid }) => pid === run.pid)).toEqual([]);
    }
  });

  test("also in a process id namespace of its own", async () => {
    const wrapper = ["unshare", "--pid", "--fork", "--mount-proc"];
    const args = ["--mode", "ring", "--syscall", "write", "--count", "300", "--buffer-size", "4M", ...JSONL];
    const run = await new Hello(args, { wrapper }).attached();
    const dd = new NamedProgram(folder, "dd");
    await dd.run(writes(300));
    const { stdout } = await run.ended();
    const own = await (async () => recordsOf(stdout).filter(({ command }) => `${command}`.startsWith("hello-ebpf")))();
    expect(own).toEqual([]);
  });
});

describeAtTheEnds("--count, --duration, --interval", () => {
  for (const mode of fewerInGuests(["trace", "perf", "ring"], ["ring"]))
    for (const count of fewerInGuests([1, 37], [37]))
      test(`--count ${count} in ${mode} mode: exactly so many lines, and no more produced`, async () => {
        const shell = new NamedProgram(folder, "sh");
        const run = await new Hello(["--mode", mode, "--comm", shell.name, "--count", `${count}`]).attached();
        const storm = [1, 2].map(() => shell.start(["-c", processes(100_000)]));
        const { status, stdout, stderr } = await run.ended();
        for (const child of storm) child.kill("SIGKILL");
        expect(status).toBe(0);
        // trace_pipe's buffer is small: what the kernel dropped from it is among the count, and said.
        const [, dropped = "0"] = mode === "trace" ? (/events, (\d+) lost\n$/.exec(stderr) ?? []) : [];
        expect(linesOf(stdout)).toHaveLength(count - Number(dropped));
        expect(stderr).toEndWith(`${count - Number(dropped)} events, ${dropped} lost\n`);
      });

  test("--count in trace mode ends also where the kernel dropped some of them", async () => {
    const dd = new NamedProgram(folder, "dd");
    const args = ["--mode", "trace", "--syscall", "write", "--comm", dd.name, "--count", "60000", ...JSONL];
    const run = await new Hello(args).attached();
    run.kill("SIGSTOP");
    const writer = dd.start(writes(60_000)); // far more than fit into trace_pipe's buffer
    await writer.exited;
    run.kill("SIGCONT");
    const { status, stdout } = await run.ended();
    const { produced, events, lost } = summaryOf(stdout);
    expect({ status, produced, sum: events + lost }).toEqual({ status: 0, produced: 60_000, sum: 60_000 });
    expect(lost).toBeGreaterThan(0);
  });

  testHere("--count in map mode counts refreshes; --interval is kept", async () => {
    const shell = new NamedProgram(folder, "sh");
    const begin = Date.now();
    const args = ["--mode", "map", "--comm", shell.name, "--interval", "0.4", "--count", "3", ...JSONL];
    const run = await new Hello(args).attached();
    await shell.run(["-c", processes(5)]);
    const { status, stdout } = await run.ended();
    const records = recordsOf(stdout);
    const maps = records.filter(({ type }) => type === "map");
    const attached = Date.parse(records[0]?.ts ?? "");
    expect(status).toBe(0);
    expect(maps).toHaveLength(3);
    expect(maps.at(-1)?.entries).toEqual([{ key: 0, value: 5 }]);
    // Counted from the start, not from one to the next: one that comes late does not make the next one late.
    maps.forEach(({ ts }, index) => {
      const due = 400 * (index + 1);
      expect(Date.parse(ts) - begin).toBeGreaterThanOrEqual(due);
      expect(Date.parse(ts) - attached).toBeLessThan(due + 200 * SLOWNESS);
    });
  });

  userSpace(() => {
    test("--count in map mode: no line too many, though refreshes come due while it ends", async () => {
      for (let i = 0; i < 5; i++) {
        const { stdout } = await hello(["--mode", "map", "--interval", "0.001", "--count", "3"]);
        expect(linesOf(stdout)).toHaveLength(3);
      }
    });

    test("no table twice at the end, though a refresh comes due while it ends", async () => {
      for (let i = 0; i < 5; i++) {
        const { stdout } = await hello(["--mode", "map", "--interval", "0.001", "--duration", "50ms", ...JSONL]);
        const times = recordsOf(stdout).flatMap(({ type, ts }) => (type === "map" ? [ts] : []));
        expect(new Set(times).size).toBe(times.length);
      }
    });

    test("without --interval a refresh comes every two seconds", async () => {
      const { stdout } = await hello(["--mode", "map", "--count", "2", ...JSONL]);
      const records = recordsOf(stdout);
      const since = (index: number) => Date.parse(records[index]?.ts ?? "") - Date.parse(records[0]?.ts ?? "");
      expect(since(1)).toBeGreaterThan(1900);
      expect(since(1)).toBeLessThan(2100 + 60 * SLOWNESS);
      expect(since(2)).toBeGreaterThan(3900);
    });
  });

  for (const mode of fewerInGuests(["trace", "map", "perf", "ring"], []))
    test(`--duration ends ${mode} mode in time, with status 0`, async () => {
      const { status, stdout, stderr } = await hello(["--mode", mode, "--duration", "600ms", ...JSONL]);
      const records = recordsOf(stdout);
      const elapsed = Date.parse(records.at(-1)?.ts ?? "") - Date.parse(records[0]?.ts ?? "");
      expect(status).toBe(0);
      expect(elapsed).toBeGreaterThan(550);
      expect(elapsed).toBeLessThan(800 + 100 * SLOWNESS);
      expect(stderr).toMatch(/\d+ events, 0 lost\n$/);
    });
});

describeAtTheEnds("--buffer-size", () => {
  userSpace(() => {
    const rounded: [string, string, number][] = [
      ["ring", "1", 4096],
      ["ring", "5000", 8192],
      ["ring", "100K", 131072],
      ["perf", "1", 4096],
      ["perf", "12288", 16384],
    ];
    for (const [mode, asked, taken] of rounded)
      test(`${mode} ${asked} is rounded up to ${taken}, and said`, async () => {
        const { status, stderr } = await hello(["--mode", mode, "--buffer-size", asked, "--duration", "1ms"]);
        expect(status).toBe(0);
        const said = linesOf(stderr).filter((line) => line.includes("rounded"));
        expect(said).toEqual([
          expect.stringMatching(new RegExp(`^hello-ebpf: buffer size \\d+ rounded up to ${taken} bytes`)),
        ]);
      });
    for (const mode of ["ring", "perf"])
      test(`${mode}: a size that is rounded up is no second line of what fails`, async () => {
        const args = ["--mode", mode, "--attach", "tracepoint", "--syscall", "create_module", "--buffer-size", "5000"];
        const { status, stderr } = await hello(args);
        expect([status, linesOf(stderr).length]).toEqual([6, 1]);
      });
  });

  const asked = [
    ["ring", "64K", 65536],
    ["perf", "64K", 65536],
  ] as const;
  for (const [mode, size, bytes] of fewerInGuests(asked, asked.slice(1)))
    test(`${mode} ${size} is what the kernel is asked for, without a word`, async () => {
      const run = await new Hello(["--mode", mode, "--buffer-size", size]).attached();
      const maps = await Bun.file(`/proc/${run.pid}/maps`).text();
      const { stderr } = await run.stop();
      expect(stderr).not.toContain("rounded");
      const kind = mode === "ring" ? /bpf_ringbuf|bpf-map/ : /perf_event/;
      const sizes = maps
        .split("\n")
        .filter((line) => kind.test(line))
        .map(length);
      // ring: the producers' page and the data twice; perf: the positions' page and the data.
      expect(sizes).toContain(4096 + (mode === "ring" ? 2 * bytes : bytes));
    });
});

/** Bytes of a line of /proc/PID/maps. */
function length(line: string): number {
  const [from = "0", to = "0"] = line.split(" ")[0]?.split("-") ?? [];
  return Number.parseInt(to, 16) - Number.parseInt(from, 16);
}

userSpace(() => {
  describe("--output jsonl", () => {
    const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/;

    for (const mode of ["trace", "map", "perf", "ring"])
      test(`${mode}: every line an object with type and ts, the summary last`, async () => {
        const shell = new NamedProgram(folder, "sh");
        const before = Date.now();
        const run = await new Hello(["--mode", mode, "--comm", shell.name, ...JSONL]).attached();
        await shell.run(["-c", processes(3)]);
        const { stdout, stderr } = await run.stop();
        const records = recordsOf(stdout);
        for (const { ts } of records) {
          expect(ts).toMatch(TIME);
          expect(Date.parse(ts)).toBeGreaterThanOrEqual(before);
          expect(Date.parse(ts)).toBeLessThanOrEqual(Date.now());
        }
        const types = records.map(({ type }) => type);
        const middle = mode === "map" ? ["map"] : ["event", "event", "event"];
        expect(types).toEqual(["attached", ...middle, "summary"]);
        expect(records.at(-1)).toMatchObject({ produced: 3, events: 3, lost: 0 });
        expect(stderr).toEndWith("3 events, 0 lost\n");
      });

    for (const mode of ["perf", "ring"])
      test(`${mode}: an event has pid, uid, command and message as the struct names them`, async () => {
        const shell = new NamedProgram("/tmp", "sh");
        const run = await new Hello(["--mode", mode, "--comm", shell.name, ...JSONL]).attached();
        const child = shell.start(["-c", "exec /bin/true"], { uid: NOBODY });
        await child.exited;
        const { stdout } = await run.stop();
        const event = recordsOf(stdout).find(({ type }) => type === "event");
        const expected = { pid: child.pid, uid: NOBODY, command: shell.name, message: "Hello World" };
        expect(event).toMatchObject(expected);
        Bun.spawnSync(["rm", "-f", shell.path]);
      });

    test("bad usage is a record of type error as well", async () => {
      const { status, stdout, stderr } = await hello(["--mode", "ring", "--count", "x", ...JSONL]);
      expect({ status, lines: linesOf(stderr).length }).toEqual({ status: 2, lines: 1 });
      expect(recordsOf(stdout)).toMatchObject([
        { type: "error", status: 2, message: expect.stringContaining("--count") },
      ]);
    });

    test("a failure is a record of type error with errno and status", async () => {
      const args = ["--mode", "ring", "--attach", "tracepoint", "--syscall", "create_module", ...JSONL];
      const { status, stdout } = await hello(args);
      expect(status).toBe(6);
      const [error, ...rest] = recordsOf(stdout);
      expect(rest).toEqual([]);
      expect(error).toMatchObject({ type: "error", status: 6, class: "attach", errno: "ENOENT" });
      expect(error?.ts).toMatch(TIME);
    });
  });

  describe("--help and --version", () => {
    test("--version says the version of package.json and nothing else", async () => {
      const { version } = await Bun.file(`${EXECUTABLE}/../package.json`.replace("hello-ebpf/../", "")).json();
      const { status, stdout, stderr } = await hello(["--version"]);
      expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: `hello-ebpf ${version}\n`, stderr: "" });
    });

    test("--help names every option, mode and exit status, on standard output", async () => {
      const { status, stdout, stderr } = await hello(["--help"]);
      expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
      const options = [
        "mode",
        "attach",
        "syscall",
        "interval",
        "count",
        "duration",
        "uid",
        "pid",
        "comm",
        "buffer-size",
      ];
      for (const option of [...options, "output", "help", "version"]) expect(stdout).toContain(`--${option}`);
      for (const word of ["-v", "trace", "map", "perf", "ring", "jsonl", "raw_tracepoint"])
        expect(stdout).toContain(word);
      for (let exit = 0; exit <= 6; exit++) expect(stdout).toMatch(new RegExp(`\\b${exit} \\w`));
    });
  });

  describe("-- CMD", () => {
    test("is seen from its own execve on, and its status is ours", async () => {
      const shell = new NamedProgram(folder, "sh");
      const args = ["--mode", "ring", "--comm", shell.name, ...JSONL];
      const { status, stdout } = await hello([...args, "--", ...shell.command, "-c", `${processes(9)}; exit 7`]);
      expect(status).toBe(7);
      expect(recordsOf(stdout).filter(({ type }) => type === "event")).toHaveLength(9);
    });

    test("ended by a signal: 128 and its number", async () => {
      for (const [signal, status] of [
        ["KILL", 137],
        ["TERM", 143],
      ] as const)
        expect((await hello(["--mode", "ring", "--", "sh", "-c", `kill -${signal} $$`])).status).toBe(status);
    });

    test("that is not there or cannot be executed: 127 or 126, in one line", async () => {
      for (const [command, status, errno] of [
        ["/no/such/command", 127, "ENOENT"],
        ["/etc/passwd", 126, "EACCES"],
      ] as const) {
        const run = await hello(["--mode", "ring", "--", command]);
        expect(run.status).toBe(status);
        const said = linesOf(run.stderr).filter((line) => !/^hello-ebpf: (attached|passed over)/.test(line));
        expect(said).toHaveLength(1);
        expect(said[0]).toMatch(new RegExp(`^hello-ebpf: Cannot start ${command}: .*${errno}.+`));
        expect(run.stdout).toBe("");
      }
    });

    test("that cannot be started for another reason: its own cause", async () => {
      const script = `${folder}/no-interpreter-line`;
      await Bun.write(script, "echo\n");
      Bun.spawnSync(["chmod", "755", script]);
      const run = await hello(["--mode", "ring", "--", script]);
      expect(run.status).toBe(126);
      expect(run.stderr).toContain(`Cannot start ${script}: ENOEXEC: `);
    });

    test("in bytes that are not UTF-8 is refused: another command would be started", async () => {
      const script = `exec ${EXECUTABLE} --mode ring -- touch "$(printf '/tmp/\\377')"`;
      const { exitCode, stderr } = Bun.spawnSync(["sh", "-c", script]);
      expect(exitCode).toBe(2);
      expect(stderr.toString()).toMatch(/^hello-ebpf: Expected a command in UTF-8: its argument 1 is not[^\n]*\n$/);
    });

    test("gets our standard input and its options untouched", async () => {
      const script = `printf 'one\\n' | ${EXECUTABLE} --mode map -- sh -c 'read line; echo "$line $1 $2"' sh --count -v`;
      const { stdout } = Bun.spawnSync(["sh", "-c", script]);
      expect(stdout.toString()).toContain("one --count -v\n");
    });

    for (const end of [
      ["--count", "1"],
      ["--duration", `${300 * (SLOWNESS > 1 ? 5 : 1)}ms`],
    ])
      test(`${end.join(" ")} first: CMD gets SIGTERM and the status is 0`, async () => {
        const mark = `${folder}/terminated${end[0]}`;
        // Its first event comes after the trap is set: its own execve is made under our name.
        const shell = new NamedProgram(folder, "sh");
        const script = `trap 'echo yes >${mark}; exit 3' TERM; while :; do /bin/true; sleep 0.05; done`;
        const args = ["--mode", "ring", "--comm", shell.name, ...end];
        const { status } = await hello([...args, "--", ...shell.command, "-c", script]);
        expect(status).toBe(0);
        for (let i = 0; i < 20 * SLOWNESS && !(await Bun.file(mark).exists()); i++) await Bun.sleep(50);
        expect(await Bun.file(mark).exists()).toBe(true);
      });

    test("our own end by a signal ends CMD too", async () => {
      const run = await new Hello(["--mode", "ring", "--", "sleep", "1234"]).attached();
      const child = () =>
        Bun.spawnSync(["sh", "-c", `cat /proc/${run.pid}/task/*/children`])
          .stdout.toString()
          .trim();
      for (let i = 0; i < 100 && child() === ""; i++) await Bun.sleep(20);
      const pid = child();
      expect(pid).toMatch(/^\d+$/);
      expect((await run.stop()).status).toBe(0);
      expect(Bun.spawnSync(["kill", "-0", pid]).exitCode).not.toBe(0);
    });
  });
});
