// The arm64 executables in a guest that holds only them, Debian's glibc, and musl with what the other one needs.
//
// No shell, no Bun and no test runner: each run is one command line. What is the machine's own is what is asked:
// places of syscalls and hooks, sizes of structures, the order of loads, the patched engine, the other libc.
//
// QEMU on an x86-64 host translates a guest's loads to the host's, which are done in order: that a barrier is missing
// would not show here. What shows is a position, size or place read wrongly, and a record overwritten while it is read.

import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { makeStandIn } from "../musl/stand-in.ts";
import { IMAGES, LIBRARIES } from "../release/targets.ts";
import { ROOT } from "../suite.ts";
import { type BareArchive, type BareRun, type Check, prints, runBare } from "./bare.ts";
import type { CpioWriter } from "./cpio.ts";
import { kernelOf, packageFile, packageFiles } from "./download.ts";
import { releasedExecutable } from "./executables.ts";
import { bareInitramfs } from "./initramfs.ts";
import { MACHINES } from "./machines.ts";
import { GLIBC_ARM64, type Guest, MUSL_ARM64 } from "./table.ts";

const STORM = 10_000;

/** What happens while a mode watches, and what it says of it; `events` where it is not one a time that it happens. */
interface Watched {
  readonly times: number;
  readonly does?: "exec" | "connect";
  readonly events?: number;
  readonly options?: string;
  /** What it is attached to, whatever is asked for. */
  readonly by?: string;
  readonly shows: Check;
}

const EXECS = 100;
/** Of the modes that differ in their maps only. */
const FEW = 20;
const event = (times: number) => prints(/^\d+ 0 witness Hello World$/, times);

const MODES = {
  trace: { times: EXECS, shows: prints(/^ +\S+-\d+ +\[\d+\] .* bpf_trace_printk: Hello World!$/, EXECS) },
  map: { times: EXECS, shows: prints(new RegExp(`^ID 0: ${EXECS}\\t$`), 1) },
  perf: { times: EXECS, shows: event(EXECS) },
  ring: { times: EXECS, shows: event(EXECS) },
  queue: { times: FEW, shows: event(FEW) },
  stack: { times: FEW, shows: event(FEW) },
  lru: { times: FEW, shows: prints(new RegExp(`^witness: ${FEW}\\t$`), 1) },
  lpm: {
    ...{ times: FEW, does: "connect", options: "--cidr 127.0.0.0/8=home" },
    shows: prints(new RegExp(`^home: ${FEW}\\t$`), 1),
  },
  bloom: {
    times: FEW,
    events: 1,
    by: "raw_tracepoint task_rename and sched_process_exec",
    shows: prints(/^\d+ 0 witness \/witness$/, 1),
  },
  chain: {
    ...{ times: FEW, events: 1, options: "--limit 10 --interval 100000" },
    shows: prints(/^ID 0: 11 execve in 100000 s, now \d+ witness$/, 1),
  },
  config: { times: FEW, shows: event(FEW) },
  "map-of-maps": { times: FEW, shows: prints(new RegExp(`^ID 0: witness ${FEW}\\t$`), 1) },
} satisfies Record<string, Watched>;
type Mode = keyof typeof MODES;
const MODE_NAMES = Object.keys(MODES) as Mode[];

const TARGETS: Record<string, (syscall: string) => string> = {
  kprobe: (syscall) => `kprobe __arm64_sys_${syscall}`,
  fentry: (syscall) => `fentry __arm64_sys_${syscall}`,
  tracepoint: (syscall) => `tracepoint syscalls/sys_enter_${syscall}`,
  raw_tracepoint: () => "raw_tracepoint sys_enter",
};

/** A mode by a hook, or by auto, which takes kprobe: what happened is what was seen. */
function exact(executable: string, mode: Mode, attach: string): BareRun {
  const { times, does = "exec", events = times, options = "", by, shows }: Watched = MODES[mode];
  const target = by ?? (TARGETS[attach] ?? TARGETS.kprobe)?.(does === "exec" ? "execve" : does);
  const words = [
    `--mode ${mode} --attach ${attach} --interval 60 --comm witness`,
    options,
    `-- /witness ${does} ${times}`,
  ];
  return {
    command: `/${executable} ${words.filter(Boolean).join(" ")}`,
    checks: [
      shows,
      prints(new RegExp(`^hello-ebpf: attached ${mode} to ${target}\\b`), 1),
      prints(new RegExp(`^${events} events, 0 lost$`), 1),
    ],
  };
}

/** Every line that was read is one that was written, in order, and what is missing is accounted for. */
const consistent: Check = (lines) => {
  const text = lines.join("\n");
  const [, checked, malformed, disordered] =
    /^checked (\d+) lines, malformed (\d+), out of order (\d+)/m.exec(text)?.map(Number) ?? [];
  const [, events = 0, lost = 0] = /^(\d+) events, (\d+) lost$/m.exec(text)?.map(Number) ?? [];
  if (checked === undefined || checked === 0) return "nothing was read";
  if (malformed !== 0 || disordered !== 0) return `${malformed} lines malformed, ${disordered} out of order`;
  if (checked !== events) return `${checked} lines were read, ${events} events told`;
  return events + lost === STORM ? undefined : `${events} events and ${lost} lost are not ${STORM}`;
};

/** One CPU produces as fast as it can, the other reads: with room for all, and in a buffer of a page that wraps. */
function storms(executable: string, mode: "ring" | "perf"): BareRun[] {
  const reader = `/witness on 0 /witness check /${executable} --mode ${mode} --syscall sched_rr_get_interval`;
  const run = (size: string, checks: readonly Check[]): BareRun => ({
    command: `${reader} --buffer-size ${size} -- /witness on 1 /witness storm ${STORM}`,
    checks: [consistent, ...checks],
  });
  return [run("4M", [prints(new RegExp(`^${STORM} events, 0 lost$`), 1)]), run("4K", [])];
}

/** What changes what Bun as it is says of --version; test/hardening has all, on x86-64. */
const HOSTILE = [
  ...["BUN_JSC_dumpOptions=1", "BUN_JSC_logJIT=1", "BUN_JSC_noSuchOption=1"],
  ...["BUN_OPTIONS=--preload=/foreign.js", "BUN_BE_BUN=1"],
];

const hardened = (executable: string): BareRun[] =>
  HOSTILE.map((variable) => ({
    command: `/witness with ${variable} /${executable} --version`,
    checks: [prints(/^hello-ebpf \d+\.\d+\.\d+$/, 1), prints(/./, 1)],
  }));

/** fentry on arm64 needs ftrace's direct calls (6.4): a kernel without refuses it, in one line. */
const NO_FENTRY: Record<string, readonly [status: number, line: RegExp]> = {
  "6.1-arm64": [6, /^hello-ebpf: Cannot .*fentry.* gave E\w+: .+; .+$/],
};

/** One connection from a client to its target, and what was said and came back. */
const proxied = (guest: Guest): BareRun => ({
  command: "/hello-ebpf --mode sockmap --listen 0.0.0.0:8080 --to 127.0.0.1:8081 -- /witness through 8080 8081",
  checks: [
    prints(/^hello-ebpf: attached sockmap to sk_skb 0\.0\.0\.0:8080 to 127\.0\.0\.1:8081$/, 1),
    prints(/^127\.0\.0\.1:\d+ to 127\.0\.0\.1:8081: 12 bytes, 12 back$/, 1),
  ],
  says: `MATRIX ${guest.id} sockmap sk_skb ok`,
});

const PAIRS: BareRun = { command: "/witness pairs 2 /veth.ko", checks: [] };

/** Frames from one interface to another, and back, which nothing else joins. */
const crossed = (guest: Guest): BareRun[] => [
  PAIRS,
  ...["native", "generic"].map((xdp) => ({
    command: `/hello-ebpf --mode devmap --from veth0 --to veth2 --xdp ${xdp} --interval 60 -- /witness across veth1 veth3`,
    checks: [prints(/^veth0 to veth2: 20 packets, 1280 bytes\tveth2 to veth0: 20 packets, 1280 bytes\t$/, 1)],
    says: `MATRIX ${guest.id} devmap xdp-${xdp} ok`,
  })),
  { command: "/witness across veth1 veth3", status: 1, checks: [] },
];

function modesOf(guest: Guest): BareRun[] {
  return ["kprobe", "fentry", "tracepoint", "raw_tracepoint"].flatMap((attach) =>
    MODE_NAMES.filter((mode) => mode !== "bloom" || attach === "raw_tracepoint").map((mode) => {
      const refused = attach === "fentry" ? NO_FENTRY[guest.id] : undefined;
      const matrix = `MATRIX ${guest.id} ${mode} ${attach}`;
      if (!refused) return { ...exact("hello-ebpf", mode, attach), says: `${matrix} ok` };
      const [status, line] = refused;
      const says = `${matrix} no built without ftrace's direct calls, which arm64 has since 6.4`;
      return {
        command: `/hello-ebpf --mode ${mode} --attach fentry`,
        status,
        checks: [prints(line, 1), prints(/./, 1)],
        says,
      };
    }),
  );
}

/** CAP_KILL, for as long as there is a command to end (include/uapi/linux/capability.h). */
const KEPT = (1n << 5n).toString(16).padStart(16, "0");

/** Every thread gives up its capabilities: the runtime's own by code of ours (src/sys/thread-code.ts). */
const unprivileged = (executable: string): BareRun => ({
  command: `/${executable} --mode ring --comm nobody -- /witness parent ${KEPT}`,
  checks: [prints(/^threads as they should be ([4-9]|\d\d), others 0$/, 1)],
});

/** What is no matter of the kernel, the patched engine and the other libc, is run on one. */
const ONCE = "6.12-arm64";

/** All that is run on a guest. */
export function arm64Runs(guest: Guest): BareRun[] {
  const ofKernel = [
    ...modesOf(guest),
    proxied(guest),
    ...crossed(guest),
    exact("hello-ebpf", "ring", "auto"),
    ...storms("hello-ebpf", "ring"),
    ...storms("hello-ebpf", "perf"),
  ];
  if (guest.id !== ONCE) return ofKernel;
  return [
    ...ofKernel,
    ...hardened("hello-ebpf"),
    unprivileged("hello-ebpf"),
    ...MODE_NAMES.map((mode) => exact("hello-ebpf-musl", mode, "kprobe")),
    ...storms("hello-ebpf-musl", "ring"),
    ...storms("hello-ebpf-musl", "perf"),
    ...hardened("hello-ebpf-musl"),
    unprivileged("hello-ebpf-musl"),
  ];
}

function addGlibc(archive: CpioWriter): void {
  const target = IMAGES.find(({ debian }) => debian === "arm64");
  if (!target) throw new Error("Cannot find the libraries of arm64");
  const loader = target.loader.split("/").at(-1) ?? "";
  const wanted = new RegExp(`/(${[...LIBRARIES, loader].join("|").replaceAll(".", "\\.")})$`);
  const folder = packageFiles(GLIBC_ARM64, wanted);
  for (const name of readdirSync(folder))
    archive.file(
      name === loader ? target.loader.slice(1) : `lib/${target.triplet}/${name}`,
      readFileSync(join(folder, name)),
      0o755,
    );
}

/** musl is its own loader; the stand-in lies where Debian's musl looks for libraries. */
function addMusl(archive: CpioWriter, standIn: string): void {
  const musl = readFileSync(packageFile(MUSL_ARM64, /\/libc\.so$/));
  archive.file("lib/ld-musl-aarch64.so.1", musl, 0o755);
  archive.symlink("lib/aarch64-linux-musl/libc.musl-aarch64.so.1", "/lib/ld-musl-aarch64.so.1");
  archive.file("lib/aarch64-linux-musl/libstdc++.so.6", readFileSync(standIn), 0o755);
  archive.file("etc/ld-musl-aarch64.path", "/lib/aarch64-linux-musl\n");
}

/** Packs what a guest boots into. Throws where a package or Bun cannot be had, or a program does not compile. */
export function packArm64(guest: Guest, archive: BareArchive): void {
  const standIn = join(ROOT, "build/guests/libstdc++-arm64.so.6");
  makeStandIn("arm64", standIn);
  const commands = arm64Runs(guest).map((run) => run.command);
  bareInitramfs(archive.path, MACHINES.arm64, { nonce: archive.nonce, commands }, (cpio) => {
    cpio.file("hello-ebpf", readFileSync(releasedExecutable("linux-arm64")), 0o755);
    cpio.file("hello-ebpf-musl", readFileSync(releasedExecutable("linux-arm64-musl")), 0o755);
    cpio.file("foreign.js", 'require("node:fs").writeSync(1, "foreign\\n");\n');
    addGlibc(cpio);
    addMusl(cpio, standIn);
    for (const module of kernelOf(guest).modules)
      cpio.file(basename(module).replace(/\.xz$/, ""), readFileSync(module));
  });
}

export const runArm64 = (guest: Guest, kernel: string, archive: BareArchive) =>
  runBare(guest, kernel, archive, arm64Runs(guest));
