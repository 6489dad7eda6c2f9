// Why the kernel refused: a security module and the memory that may be locked, which containers cannot provoke, and which
// cause is named where there are two.

import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { EINVAL, EPERM } from "elf-loader/uapi";
import { BpfObject, ownTgid } from "../../src/index.ts";
import { capabilitiesOf } from "../../src/program/capabilities.ts";
import { fixture, objectPath } from "./lib-support.ts";
import {
  describeAtTheEnds,
  EXECUTABLE,
  fewerInGuests,
  GUEST,
  Hello,
  hello,
  KERNEL,
  linesOf,
  missingHook,
  SLOWNESS,
  scratch,
  testHere,
  userSpace,
  withCapabilities,
  withFilter,
} from "./support.ts";

setDefaultTimeout(20_000 + SLOWNESS * 3_000);

// include/uapi/linux/capability.h
const CAP_NET_ADMIN = 12;
const CAP_SYS_ADMIN = 21;
const CAP_PERFMON = 38;
const CAP_BPF = 39;

/** Programs of security modules take the trampolines that fentry does: not here. Debian's 5.10 does not list bpf as one. */
describe.skipIf(!GUEST || KERNEL === "5.10")("a security module", () => {
  test("is named, with what there is to be suspected", async () => {
    const spec = fixture("lsm_refuses");
    spec.globals.set("allowed_tgid", ownTgid());
    using object = BpfObject.load(spec);
    using _link = object.program("refuse").attach();
    // As in most containers, a filter is there too, and has no part in it.
    const { status, stderr } = await hello(["--mode", "ring", "--duration", "1s"], { wrapper: withFilter("") });
    expect({ status, stderr }).toEqual({
      status: 3,
      stderr: expect.stringMatching(
        /BPF_MAP_CREATE\) gave EPERM: a Linux security module refuses it \([\w,]*\bbpf\b[\w,]*\); look in .*\n$/,
      ),
    });
  });
});

/** Kernels before 5.11 count maps and programs against what a process may lock; of ours that is 5.10. */
describe("RLIMIT_MEMLOCK", () => {
  const limited = ["sh", "-c", 'ulimit -l 16; exec "$0" "$@"'];
  const run = () =>
    new Hello(["--mode", "ring", "--duration", "1s", "--attach", "raw_tracepoint"], {
      wrapper: [...withCapabilities([CAP_PERFMON, CAP_BPF]), ...limited],
      executable: EXECUTABLE,
    }).ended();

  test.skipIf(KERNEL !== "5.10")("is named where the kernel counts it", async () => {
    const { status, stderr } = await run();
    expect({ status, stderr }).toEqual({
      status: 3,
      stderr: expect.stringMatching(/gave EPERM: RLIMIT_MEMLOCK is 16384 bytes, .*; raise it \(--ulimit memlock=-1\)/),
    });
  });

  test.skipIf(KERNEL === "5.10")("is no matter where it does not", async () => {
    const { status, stderr } = await run();
    expect({ status, stderr }).toEqual({ status: 0, stderr: expect.stringMatching(/^\d+ events, 0 lost$/m) });
  });
});

const NAMESPACE = ["unshare", "-U", "-r"];
const LOCKED_MEMORY = ["sh", "-c", 'ulimit -l 16; exec "$0" "$@"'];
const BOTH_CALLS = withFilter("bpf:1,perf_event_open:1");
/** What default filters refuse where the capabilities are not there, which is what is to be added first. */
const FOLLOWING = /seccomp filter refuses bpf\(\); run with --cap-add=BPF --cap-add=PERFMON, which .*--security-opt/;
const BY_PROFILE = /E(PERM|NOSYS|ACCES): a seccomp filter refuses bpf\(\); run with --security-opt seccomp=/;

/** In the order in which they are looked for; of two that hold the first is named. */
describeAtTheEnds("one cause is named", () => {
  type Row = readonly [name: string, wrapper: readonly string[], line: RegExp, mode?: string];
  const filters: readonly Row[] = [
    ["a filter that says EPERM", withFilter("bpf:1"), BY_PROFILE],
    ["a filter that says ENOSYS, as if the kernel had no such call", withFilter("bpf:38"), BY_PROFILE],
    ["a filter that says EACCES", withFilter("bpf:13"), BY_PROFILE],
    [
      "a filter that says ENOSYS to perf_event_open()",
      withFilter("perf_event_open:38"),
      /perf_event_open\(\) gave ENOSYS: a seccomp filter refuses perf_event_open\(\); run with --security-opt/,
      "perf",
    ],
  ];
  const causes: readonly Row[] = [
    ["a filter before a user namespace", [...BOTH_CALLS, ...NAMESPACE], BY_PROFILE],
    ["a filter before a capability", [...BOTH_CALLS, ...withCapabilities([])], FOLLOWING],
    ["a filter before locked memory", [...withFilter("bpf:1"), ...LOCKED_MEMORY], BY_PROFILE],
    ["a user namespace, not a filter that refuses nothing", [...withFilter(""), ...NAMESPACE], /in a user namespace/],
    ["a user namespace before a capability", ["unshare", "-U"], /in a user namespace/],
    ["a capability, not a filter", [...withFilter(""), ...withCapabilities([CAP_PERFMON])], /lacks CAP_BPF;/],
    ["a capability before locked memory", [...withCapabilities([CAP_PERFMON]), ...LOCKED_MEMORY], /lacks CAP_BPF;/],
  ];
  // Before 5.19 bpf(2) itself is EPERM there, so that a filter of it alone is not to be seen.
  const seen: readonly Row[] = [
    ["a filter of bpf() alone before a user namespace", [...withFilter("bpf:1"), ...NAMESPACE], BY_PROFILE],
    ["a filter of bpf() alone before a capability", [...withFilter("bpf:1"), ...withCapabilities([])], FOLLOWING],
  ];
  const older = GUEST ? KERNEL === "5.10" : !readFileSync("/sys/kernel/btf/vmlinux").includes("BPF_FUNC_kptr_xchg");

  for (const [name, wrapper, line, mode = "ring"] of [...fewerInGuests(filters, []), ...causes, ...(older ? [] : seen)])
    test(name, async () => {
      const args = ["--mode", mode, "--duration", "1s", "--attach", "raw_tracepoint"];
      const { status, stdout, stderr } = await hello(args, { wrapper });
      expect({ status, stdout, lines: linesOf(stderr) }).toEqual({
        status: 3,
        stdout: "",
        lines: [expect.stringMatching(line)],
      });
    });
});

/** Mounts in a namespace of its own, by a script of sh. */
const mounting = (script: string) => ["unshare", "--mount", "sh", "-ec", `${script}; exec "$@"`, "sh"];
const SECURITYFS = "mount -t securityfs securityfs /sys/kernel/security";
const NO_TRACEFS =
  'grep " - tracefs " /proc/self/mountinfo | while read -r a b c d point rest; do umount "$point"; done';

/** As Debian's kernels have it, which want CAP_SYS_ADMIN then: the capability that is missing anyway comes before. */
testHere("a capability before perf_event_paranoid", async () => {
  const level = join(scratch(), "paranoid");
  writeFileSync(level, "3\n");
  const paranoid = mounting(`mount --bind ${level} /proc/sys/kernel/perf_event_paranoid`);
  const script = join(import.meta.dir, "scripts/perf-buffer.ts");
  const command = [...paranoid, ...withCapabilities([CAP_BPF]), process.execPath, script];
  const { stdout, stderr } = Bun.spawnSync(command);
  expect(stderr.toString()).toBe("");
  expect(stdout.toString()).toEndWith("perf_event_open() gave EACCES the process lacks CAP_PERFMON\n");
});

userSpace(() =>
  describe("the call that a filter refuses is named, of several", () => {
    const PROXY = ["--mode", "sockmap", "--listen", "127.0.0.1:29091", "--to", "127.0.0.1:1"];
    const calls: readonly (readonly [refused: string, errno: string, args: readonly string[]])[] = [
      ...["fsopen", "fsconfig", "fsmount"].flatMap((call) => [
        [`${call}:1`, "EPERM", ["--mode", "trace"]] as const,
        [`${call}:38`, "ENOSYS", ["--mode", "trace"]] as const,
      ]),
      ["socket:1", "EPERM", PROXY],
      ["bind:13", "EACCES", PROXY],
      ["listen:38", "ENOSYS", PROXY],
    ];
    for (const [refused, errno, args] of calls)
      test(refused, async () => {
        const [call] = refused.split(":");
        const wrapper = [...mounting(NO_TRACEFS), ...withFilter(refused)];
        const { status, stderr } = await hello([...args, "--duration", "1s"], { wrapper });
        const line = new RegExp(
          `: ${call}\\(\\w*\\) gave ${errno}: a seccomp filter refuses ${call}\\(\\); run with .*\n$`,
        );
        expect({ status, stderr }).toEqual({ status: 3, stderr: expect.stringMatching(line) });
      });

    const [MAP_CREATE, PROG_LOAD, NONE] = [0, 5, 999];
    for (const [name, wrapper, line] of [
      ["BPF_MAP_CREATE alone", withFilter(`bpf=${MAP_CREATE}:1`), BY_PROFILE],
      ["BPF_PROG_LOAD alone", withFilter(`bpf=${PROG_LOAD}:1`), BY_PROFILE],
      ["BPF_PROG_LOAD as if there were none", withFilter(`bpf=${PROG_LOAD}:38`), BY_PROFILE],
      [
        "none that is made",
        [...withFilter(`bpf=${NONE}:1`), ...withCapabilities([])],
        /lacks CAP_BPF and CAP_PERFMON;/,
      ],
    ] as const)
      test(`of bpf()'s commands ${name}`, async () => {
        const { status, stderr } = await hello(["--mode", "ring", "--duration", "1s"], { wrapper });
        expect({ status, stderr: linesOf(stderr).at(-1) }).toEqual({ status: 3, stderr: expect.stringMatching(line) });
      });

    test("ENOSYS where /proc has processes only", async () => {
      const wrapper = [...mounting("mount -t proc -o subset=pid proc /proc"), ...withFilter("bpf:38")];
      const { status, stderr } = await hello(["--mode", "ring", "--duration", "1s"], { wrapper });
      expect({ status, stderr }).toEqual({
        status: 3,
        stderr: expect.stringMatching(/gave ENOSYS: a seccomp filter refuses bpf\(\); run with /),
      });
    });
  }),
);

userSpace(() =>
  describe("a security module is suspected of what it may have refused", () => {
    const withLandlock = (rule: string) => [process.execPath, join(import.meta.dir, "with-landlock.ts"), rule];
    const withoutTracing = withLandlock("read_file=/sys/kernel/tracing");
    const modules = Bun.spawnSync([...mounting(SECURITYFS), "cat", "/sys/kernel/security/lsm"]).stdout.toString();
    const tracefs = mounting(`${NO_TRACEFS}; ${SECURITYFS}; mount -t tracefs tracefs /sys/kernel/tracing`);

    test.skipIf(!modules.includes("landlock"))("landlock, of a file; bpf without a program, of nothing", async () => {
      expect(modules).toMatch(/\bbpf\b/);
      const { status, stderr } = await hello(["--mode", "trace", "--duration", "1s"], {
        wrapper: [...tracefs, ...withoutTracing],
      });
      expect({ status, stderr }).toEqual({
        status: 3,
        stderr: expect.stringMatching(
          /open\(trace_pipe\) gave EACCES: a Linux security module refuses it \(landlock\); /,
        ),
      });
    });

    test.skipIf(!modules.includes("landlock"))("landlock, of the kernel's types", async () => {
      const { status, stderr } = await hello(["--mode", "ring", "--output", "jsonl", "--duration", "1s"], {
        wrapper: [...mounting(SECURITYFS), ...withLandlock("read_file=/sys/kernel/btf")],
      });
      expect({ status, lines: linesOf(stderr) }).toEqual({
        status: 3,
        lines: [
          expect.stringMatching(
            /^hello-ebpf: Cannot read the kernel's types: open\(\/sys\/kernel\/btf\/vmlinux\) gave EACCES: a .* \(landlock\); /,
          ),
        ],
      });
    });

    test.skipIf(!modules.includes("landlock"))("landlock, of a pin and of a folder; not of opening a pin", async () => {
      const bpffs = join(scratch(), "bpffs");
      mkdirSync(bpffs);
      const create = `bpftool map create ${bpffs}/slot type array key 4 value 4 entries 1 name slot`;
      const pinned = mounting(`mount -t bpf bpf ${bpffs}; ${create}; ${SECURITYFS}`);
      const run = (rule: string, ...args: string[]) => hello(args, { wrapper: [...pinned, ...withLandlock(rule)] });
      const suspected = (call: string) => ({
        status: 3,
        stderr: expect.stringContaining(`${call}) gave EACCES: a Linux security module refuses it (landlock); `),
      });
      const config = ["--mode", "config", "--pin", bpffs, "--duration", "1s"];
      expect(await run(`make_reg=${bpffs}`, ...config)).toMatchObject(suspected("BPF_OBJ_PIN"));
      const target = ["run", objectPath("map_redirect"), "--target", "egress=/sys/fs/cgroup", "--duration", "1s"];
      const { stderr } = suspected("open(");
      expect(await run("read_dir=/sys/fs/cgroup", ...target)).toMatchObject({ stderr });
      expect(await run(`read_file=${bpffs}`, "map", "dump", join(bpffs, "slot"))).toMatchObject({
        status: 0,
        stderr: "",
      });
    });

    test.skipIf(missingHook("fentry") === undefined)("none, of what the kernel refuses to everybody", async () => {
      const args = ["--mode", "ring", "--attach", "fentry", "--duration", "1s"];
      const { stderr } = await hello(args, { wrapper: [...tracefs, ...withoutTracing] });
      expect(stderr).toMatch(
        /BPF_PROG_LOAD\) gave EPERM: the kernel itself refuses it, for a reason that cannot be seen/,
      );
    });

    test.skipIf(missingHook("fentry") === undefined)("or a filter of arguments, where there is a filter", async () => {
      const args = ["--mode", "ring", "--attach", "fentry", "--duration", "1s"];
      const { stderr } = await hello(args, { wrapper: withFilter("") });
      expect(stderr).toMatch(
        /gave EPERM: a seccomp filter that looks at arguments, a Linux security module or a lockdown /,
      );
    });
  }),
);

testHere("a lockdown, which says EPERM only, before a capability that was not asked for", () => {
  // What a locked down kernel says of itself; this one cannot be locked without staying so.
  const mounts =
    "mount -t tmpfs none /sys/kernel/security && echo 'none [confidentiality]' >/sys/kernel/security/lockdown";
  const command = `${mounts} && exec setpriv --bounding-set=-all,+bpf,+perfmon "$@"`;
  const script = join(import.meta.dir, "scripts/explain.ts");
  const { stdout } = Bun.spawnSync(["unshare", "--mount", "sh", "-c", command, "sh", process.execPath, script]);
  const [pipe, event] = linesOf(stdout.toString());
  expect(pipe).toBe("the kernel is locked down (lockdown=confidentiality)");
  expect(event).not.toContain("locked down");
});

/** The kernel itself is asked: by the least program of every type that a section can name. */
describe("capabilities that a program type needs", () => {
  const NUMBERS: { readonly [name: string]: number } = { CAP_NET_ADMIN, CAP_PERFMON, CAP_BPF };
  const script = join(import.meta.dir, "scripts/load-types.ts");
  function answers(kept: readonly number[]): Map<number, number> {
    const command = [...withCapabilities(kept), process.execPath, script];
    const { stdout, stderr, exitCode } = Bun.spawnSync(command);
    if (exitCode !== 0) throw new Error(stderr.toString());
    return new Map(JSON.parse(stdout.toString()));
  }

  testHere("are those without which the kernel says EPERM, and no more", () => {
    const [all, least] = [answers(Object.values(NUMBERS)), answers([CAP_BPF])];
    // A kernel that is locked down refuses some to everybody, freplace wants a program; an unknown type is told nothing else.
    const tells = (type: number) => all.get(type) !== -EPERM && [all, least].some((of) => of.get(type) !== -EINVAL);
    const types = [...all.keys()].filter(tells);
    expect(types.length).toBeGreaterThan(25);
    for (const kept of [[CAP_BPF], [CAP_BPF, CAP_PERFMON], [CAP_BPF, CAP_NET_ADMIN], [CAP_PERFMON, CAP_NET_ADMIN]]) {
      const found = answers(kept);
      const forbidden = types.filter((type) => found.get(type) === -EPERM);
      const lacking = (type: number) => capabilitiesOf(type).some((name) => !kept.includes(NUMBERS[name] ?? -1));
      expect({ kept, forbidden }).toEqual({ kept, forbidden: types.filter(lacking) });
    }
  });

  const REQUIREMENTS: readonly (readonly [object: string, kept: readonly number[], lacks: string])[] = [
    ["hooks_replaced", [CAP_BPF, CAP_PERFMON], "CAP_NET_ADMIN"],
    ["hooks_replaced", [CAP_BPF], "CAP_NET_ADMIN"],
    ["lib_perf", [CAP_BPF, CAP_NET_ADMIN], "CAP_PERFMON"],
  ];
  for (const [object, kept, lacks] of REQUIREMENTS)
    testHere(`${object} with ${kept.length} others lacks ${lacks}, and nothing else is named`, async () => {
      const { stdout } = await hello(["load", objectPath(object)], { wrapper: withCapabilities(kept) });
      const missing = `--cap-add=${lacks.replace("CAP_", "")}`;
      expect(stdout).toEndWith(
        `bpf(BPF_PROG_LOAD) gave EPERM: the process lacks ${lacks}; run as root, or in a container with ${missing}\n`,
      );
    });
});

/** Kernels since 6.16, and stable ones with its fix, let nobody else probe user space; the others let CAP_PERFMON. */
testHere("uprobe: CAP_SYS_ADMIN is named where the kernel wants that, and is enough", async () => {
  const run = (...kept: number[]) =>
    hello(["run", objectPath("hooks_user"), "--duration", "100ms"], {
      wrapper: withCapabilities([CAP_BPF, CAP_PERFMON, ...kept]),
    });
  const refused = linesOf((await run()).stderr).filter((line) => line.includes("perf_event_open()"));
  for (const line of refused) expect(line).toEndWith("gave EACCES: the process lacks CAP_SYS_ADMIN");
  expect([0, 4]).toContain(refused.length);
  expect((await run(CAP_SYS_ADMIN)).stderr).not.toContain("perf_event_open()");
});
