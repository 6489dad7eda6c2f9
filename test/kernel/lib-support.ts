// What the tests of the library on real kernels share: fixtures loaded, programs run on a chosen CPU, and looks at
// what the kernel and this process hold, that do not go through the code under test.

import { afterEach, beforeEach, expect } from "bun:test";
import { closeSync, openSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import {
  BPF_BTF_GET_NEXT_ID,
  BPF_F_TEST_RUN_ON_CPU,
  BPF_LINK_GET_NEXT_ID,
  BPF_MAP_GET_NEXT_ID,
  BPF_PROG_GET_NEXT_ID,
  bpf_map_info,
  bpf_prog_info,
} from "elf-loader/uapi";
import { type BpfArray, BpfObject, type BpfProgram, type ObjectSpec, parseObject } from "../../src/index.ts";
import { objGetInfoByFd, progTestRun } from "../../src/sys/bpf.ts";
import { syscall } from "../../src/sys/libc.ts";
import { readField } from "../../src/sys/struct.ts";
import { SYSCALL_NUMBERS } from "../../src/sys/syscall-numbers.ts";
import { GUEST, ROOT } from "./guest.ts";

export * from "./guest.ts";

/** Enough of a packet for BPF_PROG_TEST_RUN. */
export const PACKET = new Uint8Array(64);

export const objectPath = (name: string): string => join(ROOT, `build/fixtures/${name}.bpf.o`);
export const objectBytes = (name: string): Uint8Array => new Uint8Array(readFileSync(objectPath(name)));

/** A fixture of test/fixtures, parsed; `programs`: only these are loaded. */
export function fixture(name: string, ...programs: string[]): ObjectSpec {
  const spec = parseObject(objectBytes(name), name);
  if (programs.length > 0)
    for (const program of spec.programs.values()) program.autoload = programs.includes(program.name);
  return spec;
}

export function load(name: string, ...programs: string[]): BpfObject {
  return BpfObject.load(fixture(name, ...programs));
}

/** Runs a raw_tracepoint program on a CPU (5.10); -errno where that CPU does not run. */
export function runOn(program: BpfProgram, cpu: number): number {
  return progTestRun({ prog_fd: program.fd.number, flags: BPF_F_TEST_RUN_ON_CPU, cpu }).result;
}

const NR_SCHED_SETAFFINITY = SYSCALL_NUMBERS.get("sched_setaffinity") ?? -1;

/** From now on this thread runs on these CPUs (of the first 64) only. */
export function pinTo(cpus: readonly number[]): void {
  const mask = new BigUint64Array([cpus.reduce((bits, cpu) => bits | (1n << BigInt(cpu)), 0n)]);
  const result = syscall(NR_SCHED_SETAFFINITY, 0, 8, mask);
  if (result < 0) throw new Error(`Cannot pin this thread to CPU ${cpus.join()}: errno ${-result}`);
}

/** A global variable of a loaded object, read from and written to its data section in the kernel. */
export function global(object: BpfObject, name: string, section = ".bss") {
  const map = object.map(section) as BpfArray;
  const inKernel = (): ObjectSpec => {
    const spec = object.spec.copy();
    spec.maps.get(section)?.contents?.set(map.getBytes(0) as Uint8Array);
    return spec;
  };
  return {
    get value(): unknown {
      return inKernel().globals.get(name);
    },
    set value(value: unknown) {
      const spec = inKernel();
      spec.globals.set(name, value);
      map.setBytes(0, spec.maps.get(section)?.contents as Uint8Array);
    },
  };
}

const idOf = (layout: typeof bpf_map_info, fd: number): number => {
  const info = new Uint8Array(layout.size);
  objGetInfoByFd(fd, info);
  return readField(layout, info, "id");
};

/** The kernel's numbers of an object's maps and programs. */
export function idsOf(object: BpfObject): { maps: number[]; programs: number[] } {
  return {
    maps: [...object.maps.values()].map((map) => idOf(bpf_map_info, map.fd.number)),
    programs: [...object.programs.values()].map((program) => idOf(bpf_prog_info, program.fd.number)),
  };
}

const NEXT_ID = {
  programs: BPF_PROG_GET_NEXT_ID,
  maps: BPF_MAP_GET_NEXT_ID,
  btfs: BPF_BTF_GET_NEXT_ID,
  links: BPF_LINK_GET_NEXT_ID,
};

/** All numbers of a kind that the kernel has, walked by bpf(2) itself. */
export function kernelIds(kind: keyof typeof NEXT_ID): Set<number> {
  const attribute = new Uint32Array(4); // start_id, next_id, open_flags
  const ids = new Set<number>();
  while (syscall(SYSCALL_NUMBERS.get("bpf") ?? -1, NEXT_ID[kind], attribute, 12) === 0) {
    attribute[0] = attribute[1] as number;
    ids.add(attribute[0]);
  }
  return ids;
}

/** Until it holds; an Error that says what did not, after seconds that even an emulated machine does not need. */
export async function until(what: string, holds: () => boolean, ms = 20_000): Promise<void> {
  const end = performance.now() + ms;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`Waited ${ms} ms in vain: ${what}`);
    await Bun.sleep(5);
  }
}

/** This process's open descriptors, by what they are. */
export function descriptors(): string[] {
  const own = openSync("/proc/self/fd", "r");
  closeSync(own);
  return readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)];
    } catch {
      return []; // the one that read the folder
    }
  });
}

/** Descriptors that only this library makes. */
export const bpfDescriptors = (): string[] => descriptors().filter((target) => /bpf|btf|perf_event/.test(target));

/** Mappings of kernel buffers in this process. */
export const bufferMappings = (): string[] =>
  readFileSync("/proc/self/maps", "utf8")
    .split("\n")
    .filter((line) => /bpf|perf_event/.test(line));

/** Names of this process's threads. */
export const threads = (): number => readdirSync("/proc/self/task").length;

/** Runs a script below this folder by Bun, a process of its own: what kills a process fails one test. */
export async function runScript(
  name: string,
  args: string[] = [],
  environment: Record<string, string> = {},
): Promise<{ status: number | null; signal: string | undefined; out: string; err: string; ms: number }> {
  const start = performance.now();
  const child = Bun.spawn([process.execPath, join(ROOT, "test/kernel/scripts", name), ...args], {
    cwd: ROOT,
    env: { ...process.env, ...environment },
    stdout: "pipe",
    stderr: "pipe",
    timeout: GUEST ? 120_000 : 30_000,
    killSignal: "SIGKILL",
  });
  const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  await child.exited;
  return {
    status: child.exitCode,
    signal: child.signalCode === null ? undefined : String(child.signalCode),
    out: out.trim(),
    err,
    ms: performance.now() - start,
  };
}

/** The error that an action throws; an Error where it throws none. */
export function thrownBy(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  throw new Error("Nothing was thrown");
}

/** Each test of the file leaves as many descriptors of the kernel's objects as it found. */
export function leavesNoDescriptors(): void {
  let before = 0;
  beforeEach(() => {
    before = bpfDescriptors().length;
  });
  afterEach(() => expect(bpfDescriptors()).toHaveLength(before));
}
