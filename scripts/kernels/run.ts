// What is run on a guest kernel, by its machine: on x86-64 the kernel tests and then the executable alone, on arm64
// the executables alone.

import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { failure, judge, ROOT, type SuiteResult, testArguments, unable } from "../suite.ts";
import { packArm64, runArm64 } from "./arm64.ts";
import { type BareArchive, type BareRun, prints, runBare, withTrouble } from "./bare.ts";
import { type BootResult, boot } from "./boot.ts";
import { type Kernel, kernelOf } from "./download.ts";
import { addExecutable, bareInitramfs, testInitramfs, withModules } from "./initramfs.ts";
import { type Architecture, MACHINES } from "./machines.ts";
import type { Guest } from "./table.ts";

const FOLDER = join(ROOT, "build/guests");

/** Software emulation is 5 to 15 times slower than the host: limits that catch a hang, not a slow machine. */
const TESTS_MS = 25 * 60_000;
const PER_TEST_MS = 180_000;

/** What each mode must print when run alone by a kprobe, and how it is run; /witness starts the processes to be seen. */
const BARE_RUNS: readonly BareRun[] = [
  { command: "/hello-ebpf --version", checks: [prints(/\d+\.\d+\.\d+/)] },
  {
    command: "/hello-ebpf --mode trace --attach kprobe --count 3 -- /witness exec 50",
    checks: [prints(/Hello World!/)],
  },
  {
    command: "/hello-ebpf --mode map --attach kprobe --interval 1 --count 1 -- /witness exec 4000",
    checks: [prints(/^ID 0: \d+\t/)],
  },
  ...["perf", "ring"].map((mode) => ({
    command: `/hello-ebpf --mode ${mode} --attach kprobe --count 3 -- /witness exec 50`,
    checks: [prints(/^\d+ 0 witness Hello World$/)],
  })),
];

/** The last of all, as there is no way back: what the kernel then refuses, and that it is said. */
const LOCKED_DOWN: readonly BareRun[] = [
  { command: "/witness write /sys/kernel/security/lockdown confidentiality", checks: [] },
  ...["ring --attach kprobe", "trace"].map((mode) => ({
    command: `/hello-ebpf --mode ${mode} --duration 5s`,
    status: 3,
    checks: [
      prints(/ gave EPERM: the kernel is locked down \(lockdown=confidentiality\); boot with /, 1),
      prints(/./, 1),
    ],
  })),
  {
    // CAP_PERFMON, which the kernel asks for before it asks whether it is locked down.
    command: "/witness without 21 /witness without 38 /hello-ebpf --mode ring --attach kprobe --duration 5s",
    status: 3,
    checks: [prints(/ gave EPERM: the process lacks CAP_PERFMON; run as root/, 1)],
  },
];

const ALONE: readonly BareRun[] = [...BARE_RUNS, ...LOCKED_DOWN];

/** An archive's place in FOLDER, with a word of its own that no test can print by chance. */
const place = (name: string): BareArchive => ({
  path: join(FOLDER, `${name}.${process.pid}.cpio`),
  nonce: `guest-${crypto.randomUUID()}`,
});

/** Archives of runs that were killed: 330 MB each time. */
function removeLeftovers(): void {
  for (const name of readdirSync(FOLDER)) {
    const pid = /\.(\d+)\.cpio/.exec(name)?.[1];
    if (pid && !existsSync(`/proc/${pid}`)) rmSync(join(FOLDER, name));
  }
}

/** What guests boot into. The x86-64 archives are the same for all guests of a run: packed once, when first asked for. */
export class Archives {
  readonly #paths: readonly string[];
  #tests: BareArchive | undefined;
  #bare: BareArchive | undefined;

  /** `paths`: the tests, relative to the checkout. */
  constructor(paths: readonly string[]) {
    this.#paths = paths;
    mkdirSync(FOLDER, { recursive: true });
    removeLeftovers();
  }

  /** Throws an Error where busybox cannot be had. */
  tests(): BareArchive {
    if (this.#tests) return this.#tests;
    const archive = place("tests");
    const script = `exec bun ${testArguments(this.#paths, "/tmp/junit.xml", PER_TEST_MS).join(" ")}\n`;
    const environment = { HOME: "/root", PATH: "/bin", TMPDIR: "/tmp", NO_COLOR: "1", CI: process.env.CI ?? "" };
    testInitramfs(archive.path, { script, environment, nonce: archive.nonce });
    this.#tests = archive;
    return archive;
  }

  /** Throws an Error where the bare programs do not compile. */
  bare(): BareArchive {
    if (this.#bare) return this.#bare;
    const archive = place("bare");
    const commands = ALONE.map((run) => run.command);
    bareInitramfs(archive.path, MACHINES.amd64, { nonce: archive.nonce, commands }, addExecutable);
    this.#bare = archive;
    return archive;
  }

  remove(): void {
    for (const archive of [this.#tests, this.#bare]) if (archive) rmSync(archive.path, { force: true });
  }
}

/** A guest that was never heard of did not run; one that died while it ran is a failure everywhere. */
function lost(name: string, result: BootResult): SuiteResult {
  const note = result.trouble ?? "no result";
  return result.output.length > 0 ? { ...failure(name, note), lines: result.output } : unable(name, note);
}

/** With the modules that its kernel, and no other, takes. */
async function bootTests(guest: Guest, kernel: Kernel, { path, nonce }: BareArchive): Promise<BootResult> {
  const { path: initramfs } = place(`tests-${guest.id}`);
  try {
    withModules(path, initramfs, kernel.modules);
    return await boot({
      ...{ kernel: kernel.image, initramfs, nonce, timeoutMs: TESTS_MS, memoryMiB: 2048 },
      machine: MACHINES[guest.architecture],
      console: join(FOLDER, `tests-${guest.id}.log`),
      kernelArguments: `HELLO_EBPF_KERNEL=${guest.id}`,
      onLine: (line) => console.log(`[${guest.id}] ${line}`),
    });
  } finally {
    rmSync(initramfs, { force: true });
  }
}

/**
 * How kernels die of QEMU 7.2's emulation, now and then and on busy machines sooner: it runs translated code that the kernel
 * has since changed (an int3 is only there while code is changed: text_poke_bp in arch/x86/kernel/alternative.c), or an
 * interrupt from one processor to another is lost, for which both then wait. Such a guest is run once more.
 */
const EMULATION = /Oops: int3|soft lockup/;

async function runKernelTests(guest: Guest, kernel: Kernel, archive: BareArchive): Promise<SuiteResult> {
  const name = `kernel ${guest.id}`;
  let result = await bootTests(guest, kernel, archive);
  if (EMULATION.test(result.trouble ?? "")) {
    console.log(`${name}: run once more, its emulation went wrong (${result.trouble})`);
    result = await bootTests(guest, kernel, archive);
  }
  if (result.status === undefined) return lost(name, result);
  return withTrouble(judge(name, result.report.join("\n"), result.status, result.output), result.trouble);
}

/** What is run on a guest of each machine, one boot after the other. */
const RUNS: Record<Architecture, (guest: Guest, kernel: Kernel, archives: Archives) => Promise<SuiteResult[]>> = {
  amd64: async (guest, kernel, archives) => [
    await runKernelTests(guest, kernel, archives.tests()),
    await runBare(guest, kernel.image, archives.bare(), ALONE),
  ],
  arm64: async (guest, kernel) => {
    const archive = place(`bare-${guest.id}`);
    try {
      packArm64(guest, archive);
      return [await runArm64(guest, kernel.image, archive)];
    } finally {
      rmSync(archive.path, { force: true });
    }
  },
};

/** All there is to run on one guest. */
export async function runGuest(guest: Guest, archives: Archives): Promise<SuiteResult[]> {
  try {
    const machine = MACHINES[guest.architecture];
    if (!existsSync(machine.qemu)) throw new Error(`${machine.package} is not installed`);
    return await RUNS[guest.architecture](guest, kernelOf(guest), archives);
  } catch (error) {
    return [unable(`kernel ${guest.id}`, error instanceof Error ? error.message : String(error))];
  }
}
