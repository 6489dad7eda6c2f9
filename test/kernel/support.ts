// What the kernel tests share: the executable under way, processes to be seen by it, facts about this kernel found
// without our own loader, and what a process of ours holds in the kernel.

import { afterAll, expect } from "bun:test";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fewerInGuests, GUEST, ROOT, SLOWNESS } from "./guest.ts";

export * from "./guest.ts";

export const EXECUTABLE = join(ROOT, "hello-ebpf");

export const HOOKS = ["kprobe", "fentry", "tracepoint", "raw_tracepoint"] as const;
export const MODES = ["trace", "map", "perf", "ring"] as const;
/** Modes that differ from those in the map that the kernel keeps things in. */
export const MAP_MODES = ["queue", "stack", "lru", "lpm", "bloom", "map-of-maps"] as const;
/** All of them here; what they have in common is tested of the first four in a guest. */
export const ALL_MODES = fewerInGuests<ModeName | (typeof MAP_MODES)[number]>([...MODES, ...MAP_MODES], MODES);
export type HookName = (typeof HOOKS)[number];
export type ModeName = (typeof MODES)[number];

/** A file's text; "" where there is none. */
export function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/** Whether libbpf, another loader than ours, gets a program for fentry past the kernel. */
function loadsFentry(): boolean {
  const object = join(ROOT, "build/fixtures/probe_fentry.bpf.o");
  if (!existsSync(object)) throw new Error(`Cannot find ${object}: compile the fixtures first`);
  const folder = mkdtempSync(join(tmpdir(), "hello-fentry-"));
  const script = 'mount -t bpf bpf "$1" && exec bpftool prog load "$0" "$1/probe"';
  const { exitCode } = Bun.spawnSync(["unshare", "--mount", "sh", "-c", script, object, folder]);
  rmSync(folder, { recursive: true, force: true });
  return exitCode === 0;
}

/** Why this kernel has no such hook, by other evidence than our loader's; undefined where it has. */
function probeHook(hook: HookName): string | undefined {
  if (GUEST) return undefined;
  if (hook === "kprobe" && !existsSync("/sys/bus/event_source/devices/kprobe")) return "built without kprobes";
  if (hook === "fentry" && !loadsFentry()) return "refused to libbpf as well";
  if (hook === "tracepoint" && !readText("/proc/filesystems").includes("tracefs")) return "built without tracefs";
  return undefined;
}

const missing = new Map(HOOKS.map((hook) => [hook, probeHook(hook)]));
export const missingHook = (hook: HookName): string | undefined => missing.get(hook);
export const workingHooks = (): HookName[] => HOOKS.filter((hook) => missingHook(hook) === undefined);

/** A folder of this test file's own, removed after its tests. */
export function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), "hello-kernel-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

let names = 0;
/** A process name that nothing else on this machine has; 15 bytes at most. */
export const uniqueName = (prefix = "t"): string => `${prefix}${process.pid.toString(36)}x${(names++).toString(36)}`;

/** One program for every tool: it looks at the first word, or at the next one where that begins with its own name. */
const BUSYBOX = realpathSync("/bin/sh").endsWith("/busybox");

/** A program under a name of its own, as --comm filters by it: the same file, busybox's applets included. */
export class NamedProgram {
  readonly name: string;
  readonly path: string;
  readonly #applet: string;

  constructor(folder: string, applet: "sh" | "dd", name: string = uniqueName(BUSYBOX ? "busybox" : applet)) {
    this.name = name;
    this.path = join(folder, name);
    this.#applet = applet;
    copyFileSync(Bun.which(applet) ?? `/bin/${applet}`, this.path);
    chmodSync(this.path, 0o755);
  }

  /** Its first words for somebody else who starts it. */
  get command(): string[] {
    return BUSYBOX ? [this.path, this.#applet] : [this.path];
  }

  start(args: readonly string[], options: { uid?: number; env?: Record<string, string> } = {}) {
    const command = [this.path, ...args];
    return Bun.spawn(command, {
      argv0: this.#applet,
      stdio: ["ignore", "ignore", "ignore"],
      ...(options.env ? { env: options.env } : {}),
      ...(options.uid === undefined ? {} : { uid: options.uid, gid: options.uid }),
    });
  }

  async run(args: readonly string[], options: { uid?: number } = {}): Promise<number> {
    return await this.start(args, options).exited;
  }
}

/** An ELF64 program of 132 bytes that ends with status 0: far cheaper to start a thousand times than /bin/true. */
function leastProgram(): Uint8Array {
  const base = 0x400000n;
  const code = [0xb8, 60, 0, 0, 0, 0x31, 0xff, 0x0f, 0x05]; // mov eax, 60 (exit); xor edi, edi; syscall
  const image = new DataView(new ArrayBuffer(120 + code.length));
  const bytes = new Uint8Array(image.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]); // ELFCLASS64, little-endian
  for (const [at, value] of [
    [16, 2],
    [18, 62],
    [52, 64],
    [54, 56],
    [56, 1],
  ] as const)
    image.setUint16(at, value, true);
  for (const [at, value] of [
    [20, 1],
    [64, 1],
    [68, 5],
  ] as const)
    image.setUint32(at, value, true); // PT_LOAD, r-x
  const size = BigInt(bytes.length);
  const longs = [
    [24, base + 120n],
    [32, 64n],
    [80, base],
    [88, base],
    [96, size],
    [104, size],
    [112, 4096n],
  ] as const;
  for (const [at, value] of longs) image.setBigUint64(at, value, true);
  bytes.set(code, 120);
  return bytes;
}

/** Always the same, so it may stay where what is built is. */
const LEAST = join(ROOT, "build/least-program");
if (!existsSync(LEAST)) {
  writeFileSync(`${LEAST}.${process.pid}`, leastProgram(), { mode: 0o755 });
  renameSync(`${LEAST}.${process.pid}`, LEAST);
}

/** A shell script that starts so many processes, one after the other. */
export const processes = (count: number): string => `i=0; while [ $i -lt ${count} ]; do ${LEAST}; i=$((i+1)); done`;

/** Arguments for dd that make exactly so many write(2) calls, and nothing else that writes. */
export const writes = (count: number): string[] => [
  "if=/dev/zero",
  "of=/dev/null",
  "bs=1",
  `count=${count}`,
  "status=none",
];

/** How a run of the executable ended and what it said. */
export interface Ended {
  readonly status: number;
  readonly signal: string | number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface StartOptions {
  /** Programs that end in exec: `setsid`, `unshare --mount`, ... */
  readonly wrapper?: readonly string[];
  /** A descriptor; otherwise a pipe that is read as it comes. */
  readonly stdout?: number;
  readonly stdin?: number;
  readonly env?: Record<string, string>;
  readonly executable?: string;
}

const ATTACHED = /^hello-ebpf: attached /m;

/** The executable under way. */
export class Hello {
  readonly process: Bun.Subprocess;
  readonly #chunks: Uint8Array[] = [];
  readonly #errors: Uint8Array[] = [];
  readonly #reading: Promise<unknown>;
  #changed = () => {};

  constructor(args: readonly string[], options: StartOptions = {}) {
    const { wrapper = [], executable = EXECUTABLE, stdout = "pipe", stdin = "ignore", env } = options;
    this.process = Bun.spawn([...wrapper, executable, ...args], {
      cwd: ROOT,
      stdin,
      stdout,
      stderr: "pipe",
      env: env ?? process.env,
    });
    this.#reading = Promise.all([
      this.#collect(this.process.stdout, this.#chunks),
      this.#collect(this.process.stderr, this.#errors),
      this.process.exited.then(() => this.#changed()),
    ]);
    running.add(this.process);
    void this.process.exited.then(() => running.delete(this.process));
  }

  async #collect(stream: unknown, chunks: Uint8Array[]): Promise<void> {
    if (!(stream instanceof ReadableStream)) return;
    for await (const chunk of stream as ReadableStream<Uint8Array>) {
      chunks.push(chunk);
      this.#changed();
    }
  }

  get pid(): number {
    return this.process.pid;
  }

  /** What it wrote, as bytes. */
  get bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  get stdout(): string {
    return this.bytes.toString();
  }

  get stderr(): string {
    return Buffer.concat(this.#errors).toString();
  }

  /** Settles when `condition` holds; throws, with all that was said, where the process ends before or time runs out. */
  async until(condition: (hello: Hello) => boolean, seconds = 3 * SLOWNESS + 10): Promise<this> {
    const end = performance.now() + seconds * 1000;
    while (!condition(this)) {
      if (this.process.exitCode !== null || this.process.signalCode || performance.now() > end) {
        await Bun.sleep(20);
        if (condition(this)) break;
        const how = this.process.exitCode ?? this.process.signalCode ?? "still running";
        throw new Error(`${how}; stdout ${JSON.stringify(this.stdout.slice(-500))}, stderr ${this.stderr}`);
      }
      await Promise.race([Bun.sleep(50), new Promise<void>((resolve) => (this.#changed = resolve))]);
    }
    return this;
  }

  /** From when it says so, every event is seen. */
  attached(): Promise<this> {
    return this.until((hello) => ATTACHED.test(hello.stderr));
  }

  kill(signal: NodeJS.Signals = "SIGTERM"): void {
    this.process.kill(signal);
  }

  async ended(): Promise<Ended> {
    await this.process.exited;
    await this.#reading;
    const { exitCode, signalCode } = this.process;
    return { status: exitCode ?? -1, signal: signalCode, stdout: this.stdout, stderr: this.stderr };
  }

  /** Ends it in order. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<Ended> {
    this.kill(signal);
    return await this.ended();
  }
}

const running = new Set<Bun.Subprocess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** A run from its start to its own end. */
export const hello = (args: readonly string[], options: StartOptions = {}): Promise<Ended> =>
  new Hello(args, options).ended();

/** The lines of a text whose every line ends, without their ends. */
export function linesOf(text: string): string[] {
  if (text === "") return [];
  if (!text.endsWith("\n")) throw new Error(`The last line is cut: ${JSON.stringify(text.slice(-200))}`);
  return text.slice(0, -1).split("\n");
}

export interface JsonRecord {
  readonly type: string;
  readonly ts: string;
  readonly [field: string]: unknown;
}

/** Every line as JSON. */
export const recordsOf = (text: string): JsonRecord[] => linesOf(text).map((line) => JSON.parse(line));

export interface Summary {
  readonly produced: number;
  readonly events: number;
  readonly lost: number;
}

/** The accounts: there is exactly one summary, and it is last. */
export function summaryOf(text: string): Summary {
  const records = recordsOf(text);
  const last = records.at(-1);
  if (last?.type !== "summary" || records.filter(({ type }) => type === "summary").length !== 1)
    throw new Error(`No summary at the end: ${JSON.stringify(records.slice(-3))}`);
  const { produced, events, lost } = last;
  return { produced: Number(produced), events: Number(events), lost: Number(lost) };
}

/** How often the kernel did not run a program, as the run said at its end. */
export const missedBy = ({ stderr }: Ended): number =>
  Number(/^hello-ebpf: (\d+) times the kernel did not run the program: /m.exec(stderr)?.[1] ?? 0);

/**
 * That a run saw all that happened, and nothing else. What it may not have seen is what the kernel did not run the program
 * for: on 7, which preempts, a kprobe while a bpf() is under way on that CPU, a raw tracepoint while it runs itself.
 */
export function expectAll(run: Ended, seen: number, happened: number): void {
  expect(seen).toBeLessThanOrEqual(happened);
  expect(seen).toBeGreaterThanOrEqual(happened - missedBy(run));
}

/** What a process holds in the kernel, by the numbers of its descriptors' fdinfo. */
export interface KernelObjects {
  readonly prog: number[];
  readonly map: number[];
  readonly link: number[];
}

export function kernelObjects(pid: number): KernelObjects {
  const ids = { prog: new Set<number>(), map: new Set<number>(), link: new Set<number>() };
  for (const fd of readdirSync(`/proc/${pid}/fdinfo`)) {
    const info = readText(`/proc/${pid}/fdinfo/${fd}`);
    for (const kind of ["prog", "map", "link"] as const) {
      const id = new RegExp(`^${kind}_id:\\s*(\\d+)`, "m").exec(info)?.[1];
      if (id) ids[kind].add(Number(id));
    }
  }
  return { prog: [...ids.prog], map: [...ids.map], link: [...ids.link] };
}

/** The privileges of every thread of a process, as /proc says them: sets of capabilities as masks. */
export interface ThreadPrivileges {
  readonly thread: string;
  readonly effective: bigint;
  readonly permitted: bigint;
  readonly inheritable: bigint;
  readonly ambient: bigint;
  readonly bounding: bigint;
  readonly noNewPrivileges: boolean;
}

export function threadPrivileges(pid: number): ThreadPrivileges[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((tid) => {
    const status = readText(`/proc/${pid}/task/${tid}/status`); // "" where it has ended meanwhile
    if (status === "") return [];
    const field = (name: string) => new RegExp(`^${name}:\\s*(.*)$`, "m").exec(status)?.[1] ?? "";
    const set = (name: string) => BigInt(`0x${field(name)}`);
    return {
      thread: `${field("Name")} ${tid}`,
      effective: set("CapEff"),
      permitted: set("CapPrm"),
      inheritable: set("CapInh"),
      ambient: set("CapAmb"),
      bounding: set("CapBnd"),
      noNewPrivileges: field("NoNewPrivs") === "1",
    };
  });
}

/** Whether the kernel still has an object, as bpftool says. */
function exists(kind: string, id: number): boolean {
  return Bun.spawnSync(["bpftool", kind, "show", "id", `${id}`]).exitCode === 0;
}

/** The objects that are still there after a moment: the kernel frees some behind a grace period. */
export async function leftBehind(objects: KernelObjects, seconds = 2 + SLOWNESS): Promise<string[]> {
  const end = performance.now() + seconds * 1000;
  for (;;) {
    const left = (["prog", "map", "link"] as const).flatMap((kind) =>
      objects[kind].filter((id) => exists(kind, id)).map((id) => `${kind} ${id}`),
    );
    if (left.length === 0 || performance.now() > end) return left;
    await Bun.sleep(100);
  }
}

/** Runs a script of test/kernel that drops all capabilities but these and becomes the command. */
export const withCapabilities = (kept: readonly number[]): string[] => [
  process.execPath,
  join(import.meta.dir, "with-capabilities.ts"),
  kept.join(","),
];

/** Runs a script of test/kernel that sets a filter of system calls, `bpf:38` for ENOSYS of bpf(2), and starts the command. */
export const withFilter = (refused: string): string[] => [
  process.execPath,
  join(import.meta.dir, "with-seccomp.ts"),
  refused,
];
