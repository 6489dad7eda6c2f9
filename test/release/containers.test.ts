// The released image in containers that take away ever more: what must still see every exec does, and what cannot says
// why and ends with status 3.
//
// Each row of the tables is one run. Where the run has events, so many processes are started here, outside, under a
// name of their own, and every one must be reported with its pid here; then the container is stopped as
// `docker stop` does, which must end it in order, with all that it had seen.

import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import {
  EXECUTABLE,
  Hello,
  type JsonRecord,
  NamedProgram,
  processes,
  recordsOf,
  scratch,
  summaryOf,
  threadPrivileges,
} from "../kernel/support.ts";
import { Contained, LEAST, NOBODY, privilegesLine, refusedWithLess, statusOf, with_ } from "./contained.ts";
import { type Restrictions, Runners } from "./runners.ts";

setDefaultTimeout(60_000);
const folder = scratch();
const runners = new Runners();
const { tracefs, podman } = runners;
const contain = (restrictions: Restrictions, args: readonly string[]) => new Contained(runners, restrictions, args);

const EXECS = 20;
const STOP_MS = 1000;
const STOPS = 5;

/** The pids of so many processes that a shell under a name starts, one after the other. */
async function startProcesses(program: NamedProgram, count: number): Promise<number[]> {
  const script = processes(count).replace(/; i=/, " & echo $!; wait; i=");
  const child = Bun.spawn([program.path, "-c", script], { argv0: "sh", stdio: ["ignore", "pipe", "ignore"] });
  const pids = (await child.stdout.text()).trim().split("\n").map(Number);
  await child.exited;
  return pids;
}

/** Modes that show a table: its values in the end, of so many processes by a name. */
const TABLES: { readonly [mode: string]: (name: string) => unknown[] } = {
  map: () => [EXECS],
  lru: () => [EXECS],
  "map-of-maps": (name) => [[{ key: name, value: EXECS }]],
};
/** Where there is no order among the events, or the newest comes first. */
const UNORDERED: readonly string[] = ["perf", "stack"];

/** What a mode reports of those processes: their pids, or the values of its table. */
function seen(mode: string, records: readonly JsonRecord[]): unknown[] {
  const table = records.findLast(({ type }) => type === "map")?.entries as { value: unknown }[] | undefined;
  if (TABLES[mode]) return (table ?? []).map(({ value }) => value);
  const pids = records.filter(({ type }) => type === "event").map(({ pid }) => Number(pid));
  return UNORDERED.includes(mode) ? pids.sort((a, b) => a - b) : pids;
}

/** Modes that say something once: at which of the processes, and with which options. */
const ONCE: { readonly [mode: string]: { readonly at: number; readonly options: readonly string[] } } = {
  bloom: { at: 0, options: [] },
  chain: { at: 5, options: ["--limit", "5", "--interval", "100000"] },
};

/** All of these processes, or the one that is spoken of. */
function expectedOf(mode: string, pids: readonly number[], name: string): unknown[] {
  if (ONCE[mode]) return [pids[ONCE[mode].at]];
  return TABLES[mode]?.(name) ?? (UNORDERED.includes(mode) ? pids.toSorted((a, b) => a - b) : [...pids]);
}

const privileges: string[] = [];
afterAll(() => {
  for (const line of new Set(privileges)) console.log(line);
});

/** Runs a mode, starts processes, stops it, and holds all of it to what was started. */
async function seesEveryExec(mode: string, restrictions: Restrictions, more: readonly string[] = []) {
  const program = new NamedProgram(folder, "sh");
  const options = [
    "--mode",
    mode,
    "--output",
    "jsonl",
    "--comm",
    program.name,
    ...(ONCE[mode]?.options ?? []),
    "-v",
    ...more,
  ];
  const contained = contain(restrictions, options);
  await contained.hello.attached();
  const kept = await contained.kept();
  const pids = await startProcesses(program, EXECS);
  expect(pids).toHaveLength(EXECS);
  const { status, stdout, stderr } = await contained.stop();
  expect({ status, stderr: stderr.includes("attached") }).toEqual({ status: 0, stderr: true });
  const records = recordsOf(stdout);
  expect(records[0]).toMatchObject({ type: "attached", mode });
  expect(seen(mode, records)).toEqual(expectedOf(mode, pids, program.name));
  const events = ONCE[mode] ? 1 : EXECS;
  expect(summaryOf(stdout)).toMatchObject({ produced: events, events, lost: 0 });
  privileges.push(privilegesLine(mode, restrictions, kept));
}

/** Runs to its own end, which must be status 3 and one line of standard error. */
async function refused(mode: string, restrictions: Restrictions, more: readonly string[] = []): Promise<string> {
  const { hello } = contain(restrictions, ["--mode", mode, "--duration", "2s", ...more]);
  const { status, stdout, stderr } = await hello.ended();
  const lines = stderr.trim().split("\n");
  expect({ status, stdout, lines: lines.length, stderr }).toEqual({ status: 3, stdout: "", lines: 1, stderr });
  return lines[0] ?? "";
}

/** A row: what is taken away or given, which runners can, and the modes that go on. */
const SEEING: readonly (readonly [name: string, restrictions: Restrictions, modes: readonly string[]])[] = [
  ["two capabilities, read-only, our profile, no network", LEAST, ["ring", "perf", "map"]],
  ["no profile", with_({ seccomp: "unconfined" }), ["ring", "perf"]],
  ["no new privileges", with_({ noNewPrivileges: true }), ["ring"]],
  ["96 MB", with_({ memory: 96 << 20 }), ["ring", "perf", "map"]],
  ["16 processes and threads", with_({ pids: 16 }), ["ring", "perf", "map"]],
  ["all of these", with_({ user: NOBODY, noNewPrivileges: true, memory: 96 << 20, pids: 16 }), ["ring", "perf", "map"]],
  ["tracefs", with_({ tracefs }), ["ring", "perf", "map"]],
  ["tracefs, 96 MB, 16 processes", with_({ tracefs, memory: 96 << 20, pids: 16, noNewPrivileges: true }), ["trace"]],
  ["no /dev", { capabilities: ["BPF", "PERFMON"], readOnly: true, noDev: true }, ["ring", "perf", "map"]],
  ["bubblewrap's /dev", { capabilities: ["BPF", "PERFMON"], readOnly: true, noDev: false }, ["ring"]],
];

const unconfined = (...capabilities: string[]): Restrictions => with_({ capabilities, seccomp: "unconfined" });

/** Rows of README.md's table: none of it can be taken away. With SYS_ADMIN a mode mounts tracefs itself, where no profile refuses that. */
const AT_LEAST: readonly (readonly [name: string, restrictions: Restrictions, modes: readonly string[]])[] = [
  [
    "an unprivileged user with two capabilities",
    with_({ user: NOBODY }),
    ["ring", "perf", "map", "queue", "stack", "lru", "bloom", "map-of-maps", "chain"],
  ],
  ["tracefs, root with two capabilities", with_({ tracefs }), ["trace"]],
  [
    "tracefs, an unprivileged user who may read root's files",
    with_({ tracefs, user: NOBODY, capabilities: ["BPF", "PERFMON", "DAC_READ_SEARCH"] }),
    ["trace"],
  ],
  ["no tracefs, root with SYS_ADMIN", unconfined("SYS_ADMIN"), ["trace"]],
  [
    "no tracefs, an unprivileged user with SYS_ADMIN who may read root's files",
    { ...unconfined("DAC_READ_SEARCH", "SYS_ADMIN"), user: NOBODY },
    ["trace"],
  ],
];

describe("sees every exec of the host", () => {
  for (const [name, restrictions, modes] of AT_LEAST)
    for (const mode of modes)
      test.skipIf(!runners.for(restrictions, "probe"))(`${mode}: ${name}, and with nothing less`, async () => {
        await seesEveryExec(mode, restrictions);
        privileges.push(...(await refusedWithLess(runners, mode, restrictions)));
      });

  for (const [name, restrictions, modes] of SEEING)
    for (const mode of modes)
      test.skipIf(!runners.for(restrictions, "probe"))(`${mode}: ${name}`, async () => {
        await seesEveryExec(mode, restrictions);
      });

  test.skipIf(!podman)("by podman's own profile, or that profile is named", async () => {
    const own = { capabilities: ["BPF", "PERFMON"], readOnly: true };
    const { hello } = contain(own, ["--mode", "ring", "--duration", "1ms"]);
    const { status, stderr } = await hello.ended();
    const said =
      status === 0 ? /^\d+ events, 0 lost$/m : /: a seccomp filter refuses bpf\(\); run with --security-opt seccomp=/;
    expect([0, 3]).toContain(status);
    expect(stderr).toMatch(said);
  });
});

describe("says why not, with status 3", () => {
  const REFUSED: readonly (readonly [name: string, mode: string, Restrictions, RegExp, (readonly string[])?])[] = [
    ["default", "ring", {}, /EPERM: .*(CAP_BPF|seccomp).*--cap-add=BPF/],
    [
      "no capability",
      "ring",
      with_({ capabilities: [] }),
      /lacks CAP_BPF and CAP_PERFMON; .*--cap-add=BPF --cap-add=PERFMON$/,
    ],
    ["no CAP_PERFMON", "ring", with_({ capabilities: ["BPF"] }), /lacks CAP_PERFMON; .*--cap-add=PERFMON$/],
    ["a profile without bpf()", "ring", with_({ seccomp: runners.seccompWithout("bpf") }), /seccomp.* refuses bpf\(\)/],
    [
      "a profile that knows no bpf()",
      "ring",
      with_({ seccomp: runners.seccompWithout("bpf", 38) }),
      /bpf\(BPF_MAP_CREATE\) gave ENOSYS: a seccomp filter refuses bpf\(\); run with --security-opt seccomp=/,
    ],
    [
      "a profile without perf_event_open()",
      "perf",
      with_({ seccomp: runners.seccompWithout("perf_event_open") }),
      /seccomp.* refuses perf_event_open\(\)/,
    ],
    ["no tracefs", "trace", LEAST, /tracefs.*EPERM: .*--volume=\/sys\/kernel\/tracing\b.*--cap-add=SYS_ADMIN/],
    [
      "a profile without fsopen()",
      "trace",
      with_({ capabilities: ["BPF", "PERFMON", "SYS_ADMIN"] }),
      /seccomp.* refuses fsopen\(\); run with --volume=\/sys\/kernel\/tracing:\S+, or --security-opt seccomp=/,
    ],
    [
      "a perf buffer beyond what may be locked",
      "perf",
      LEAST,
      /mmap\(\) gave EPERM: .*kernel\.perf_event_mlock_kb.*RLIMIT_MEMLOCK.*--buffer-size.*--ulimit memlock=-1/,
      ["--buffer-size", "256M"],
    ],
    [
      "an unprivileged user",
      "trace",
      with_({ user: NOBODY, tracefs }),
      /trace_pipe.*EACCES: .*CAP_DAC_READ_SEARCH.*--cap-add=DAC_READ_SEARCH/,
    ],
    [
      "a user namespace",
      "ring",
      { capabilities: ["BPF", "PERFMON"], readOnly: true, userNamespace: true, noDev: false },
      /user namespace/,
    ],
  ];

  for (const [name, mode, restrictions, line, more] of REFUSED)
    test.skipIf(!runners.for(restrictions, "probe"))(`${mode}: ${name}`, async () => {
      expect(await refused(mode, restrictions, more)).toMatch(line);
    });

  test("a user namespace that maps nobody", async () => {
    const { status, stderr } = await new Hello(["--mode", "ring"], { wrapper: ["unshare", "-U"] }).ended();
    expect({ status, stderr }).toEqual({ status: 3, stderr: expect.stringContaining("in a user namespace") });
  });

  test("a user to whom a container's capabilities are not handed on, as Docker's are not", async () => {
    const wrapper = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    const { status, stderr } = await new Hello(["--mode", "ring"], { wrapper, executable: EXECUTABLE }).ended();
    expect({ status, stderr }).toEqual({
      status: 3,
      stderr: expect.stringMatching(
        /lacks CAP_BPF and CAP_PERFMON; run as root \(in a container --user 0: .*--cap-add=BPF .*\)$/m,
      ),
    });
  });

  test("without /proc Bun's runtime ends before our code", async () => {
    const none = { capabilities: ["BPF", "PERFMON"], readOnly: true, noProc: true };
    const { status, signal, stdout } = await contain(none, ["--mode", "ring"]).hello.ended();
    expect({ none: stdout, failed: status !== 0 || signal !== null }).toEqual({ none: "", failed: true });
  });
});

/** A file of a process's memory or pids cgroup, version 1 or 2, as a number. */
function cgroupValue(pid: number, controller: string, v1: string, v2: string): number {
  const lines = readFileSync(`/proc/${pid}/cgroup`, "utf8").split("\n");
  const path = (prefix: RegExp) => lines.find((line) => prefix.test(line))?.replace(/^[^:]*:[^:]*:/, "");
  const own = path(new RegExp(`^\\d+:[^:]*\\b${controller}\\b`));
  const file = own ? `/sys/fs/cgroup/${controller}${own}/${v1}` : `/sys/fs/cgroup${path(/^0::/)}/${v2}`;
  return Number(readFileSync(file, "utf8"));
}

describe("in the container", () => {
  test.skipIf(!podman)("the limits are the kernel's, and there is room in them", async () => {
    for (const mode of ["ring", "perf", "map"]) {
      const contained = contain(with_({ memory: 96 << 20, pids: 16 }), ["--mode", mode]);
      await contained.hello.attached();
      const { pid } = contained;
      const memory = cgroupValue(pid, "memory", "memory.limit_in_bytes", "memory.max");
      const peak = cgroupValue(pid, "memory", "memory.max_usage_in_bytes", "memory.peak");
      const tasks = cgroupValue(pid, "pids", "pids.current", "pids.current");
      console.log(`LIMITS ${mode} ${(peak / 1e6).toFixed(1)} MB of ${memory / 1e6}, ${tasks} tasks`);
      expect({ memory, pids: cgroupValue(pid, "pids", "pids.max", "pids.max") }).toEqual({
        memory: 96 << 20,
        pids: 16,
      });
      expect(tasks).toBeLessThan(16);
      await contained.stop();
    }
  });

  test("it is PID 1, and none of its threads keeps a capability once attached", async () => {
    const nothing = { effective: 0n, permitted: 0n, inheritable: 0n, ambient: 0n, noNewPrivileges: true };
    for (const mode of ["ring", "perf", "map", "trace"]) {
      const contained = contain(with_({ tracefs }), ["--mode", mode, "--output", "jsonl", "-v"]);
      await contained.hello.attached();
      expect(await contained.kept()).toEqual([]);
      const { pid } = contained;
      expect(statusOf(pid, "NSpid").split("\t").at(-1)).toBe("1");
      for (const { bounding: _, ...thread } of threadPrivileges(pid))
        expect({ mode, ...thread }).toEqual({ mode, thread: thread.thread, ...nothing });
      const { status, stderr } = await contained.stop();
      expect({ status, refused: stderr.includes("could not") }).toEqual({ status: 0, refused: false });
    }
  });

  test.skipIf(!podman)("an event can be laid to another container: by its pid there and its cgroup", async () => {
    const watching = contain(LEAST, ["--mode", "ring", "--output", "jsonl"]);
    await watching.hello.attached();
    const other = contain(LEAST, ["--mode", "ring", "--comm", "nobody"]);
    await other.hello.attached();
    const { pid } = other;
    await other.stop();
    const { stdout } = await watching.stop();
    const event = recordsOf(stdout).find((record) => record.type === "event" && record.pid === pid);
    expect(event).toMatchObject({ pid, nspid: 1, cgroup: expect.anything() });
  });

  test("stopped while 2,000 execs are under way it reports what it has, and accounts for all", async () => {
    const program = new NamedProgram(folder, "sh");
    const contained = contain(LEAST, ["--mode", "ring", "--output", "jsonl", "--comm", program.name]);
    await contained.hello.attached();
    const producing = program.start(["-c", processes(2000)]);
    await contained.hello.until((hello) => hello.stdout.includes('"type":"event"'));
    const { status, stdout } = await contained.stop();
    producing.kill();
    const { produced, events, lost } = summaryOf(stdout);
    const lines = recordsOf(stdout).filter(({ type }) => type === "event").length;
    expect({ status, lines, lost }).toEqual({ status: 0, lines: events, lost: 0 });
    expect(produced).toBe(events + lost);
    expect(events).toBeGreaterThan(0);
  });

  for (const mode of ["ring", "perf", "map", "trace"])
    test(`${mode} is stopped within a second`, async () => {
      // What the runner takes to send the signal counts too, and on a busy machine that alone can be more.
      let least = Number.POSITIVE_INFINITY;
      for (let attempt = 0; attempt < STOPS && least > STOP_MS; attempt++) {
        const contained = contain(with_({ tracefs }), ["--mode", mode]);
        await contained.hello.attached();
        const { status, took } = await contained.stop();
        expect(status).toBe(0);
        least = Math.min(least, took);
      }
      expect(least).toBeLessThan(STOP_MS);
    });
});
