// The musl executables: what they need, and that x86-64's does under Debian's musl what the other one does. (arm64's
// runs in the arm64 guests.)
//
// libstdc++ is a stand-in, since Debian has none for musl; the executable finds it by LD_LIBRARY_PATH.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { releasedExecutable } from "../../scripts/kernels/executables.ts";
import { compileBare } from "../../scripts/kernels/initramfs.ts";
import { MACHINES } from "../../scripts/kernels/machines.ts";
import { makeStandIn } from "../../scripts/musl/stand-in.ts";
import {
  Hello,
  hello,
  linesOf,
  MODES,
  type ModeName,
  recordsOf,
  summaryOf,
  threadPrivileges,
  workingHooks,
} from "../kernel/support.ts";

setDefaultTimeout(120_000);
const LOADER = "/lib/ld-musl-x86_64.so.1";
const COUNT = 300;
const STORM = 20_000;
const folder = mkdtempSync(join(tmpdir(), "hello-musl-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const witness = join(folder, "witness");
const env = { LD_LIBRARY_PATH: folder, PATH: process.env.PATH ?? "" };
let executable = "";

beforeAll(() => {
  executable = releasedExecutable("linux-x64-musl");
  makeStandIn("amd64", join(folder, "libstdc++.so.6"));
  compileBare("witness", MACHINES.amd64, witness);
  symlinkSync(LOADER, join(folder, "libc.musl-x86_64.so.1"));
});

/** DT_NEEDED of an ELF file, as binutils reads it. */
function needed(path: string): string[] {
  const { stdout } = Bun.spawnSync(["readelf", "-d", path]);
  return [...stdout.toString().matchAll(/\(NEEDED\).*\[(.*)\]/g)].map((match) => match[1] ?? "").sort();
}

/** What user space was told of: processes, or a sum. */
function seen(mode: ModeName, stdout: string): number {
  const records = recordsOf(stdout);
  if (mode !== "map") return records.filter(({ type }) => type === "event").length;
  const entries = records.filter(({ type }) => type === "map").at(-1)?.entries as { value: number }[];
  return entries.reduce((sum, { value }) => sum + value, 0);
}

describe("needed libraries", () => {
  for (const [name, musl] of [
    ["linux-x64-musl", "libc.musl-x86_64.so.1"],
    ["linux-arm64-musl", "libc.musl-aarch64.so.1"],
  ] as const)
    test(`${name} needs musl and libstdc++, nothing else`, () => {
      expect(needed(releasedExecutable(name))).toEqual([musl, "libstdc++.so.6"]);
    });
});

describe("under musl on x86-64", () => {
  test("the C library is musl, and the only one", async () => {
    const run = await new Hello(["--mode", "ring"], { executable, env }).attached();
    const maps = readFileSync(`/proc/${run.pid}/maps`, "utf8");
    await run.stop();
    const libraries = [...maps.matchAll(/\S*\/(?:lib[^/\s]*|ld-[^/\s]*)\.so\S*$/gm)].map(([path]) => path);
    expect([...new Set(libraries)].sort()).toEqual(
      [`${folder}/libstdc++.so.6`, "/usr/lib/x86_64-linux-musl/libc.so"].sort(),
    );
  });

  for (const attach of workingHooks())
    for (const mode of MODES)
      test(`${mode} by ${attach} sees ${COUNT} processes, no more and no less`, async () => {
        const args = ["--mode", mode, "--attach", attach, "--comm", "witness", "--output", "jsonl", "--interval", "60"];
        const run = await hello([...args, "--", witness, "exec", `${COUNT}`], { executable, env });
        expect(run.stderr).toEndWith(`${COUNT} events, 0 lost\n`);
        expect(run.status).toBe(0);
        expect(summaryOf(run.stdout)).toEqual({ produced: COUNT, events: COUNT, lost: 0 });
        expect(seen(mode, run.stdout)).toBe(COUNT);
      });

  for (const mode of ["ring", "perf"] as const)
    test(`${mode}: every line of a storm is as it was made, and what is lost is counted`, async () => {
      const reader = [
        "--mode",
        mode,
        "--attach",
        "raw_tracepoint",
        "--syscall",
        "sched_rr_get_interval",
        "--buffer-size",
        "4K",
      ];
      const command = ["--", witness, "on", "1", witness, "storm", `${STORM}`];
      const wrapper = [witness, "on", "0", witness, "check", witness, "with", `LD_LIBRARY_PATH=${folder}`];
      const run = await hello([...reader, ...command], { executable, env, wrapper });
      const [, checked, malformed, disordered] =
        /^checked (\d+) lines, malformed (\d+), out of order (\d+)/.exec(run.stdout)?.map(Number) ?? [];
      const [, events = 0, lost = 0] = /^(\d+) events, (\d+) lost$/m.exec(run.stderr)?.map(Number) ?? [];
      expect({ checked, malformed, disordered }).toEqual({ checked: events, malformed: 0, disordered: 0 });
      expect(events).toBeGreaterThan(0);
      expect(events + lost).toBe(STORM);
    });

  test("every thread gives up its capabilities once attached", async () => {
    const run = await new Hello(["--mode", "ring"], { executable, env }).attached();
    await run.until(() => threadPrivileges(run.pid).every(({ noNewPrivileges }) => noNewPrivileges));
    const threads = threadPrivileges(run.pid);
    await run.stop();
    expect(threads.length).toBeGreaterThan(4);
    for (const { thread, effective, permitted } of threads)
      expect({ thread, effective, permitted }).toEqual({ thread, effective: 0n, permitted: 0n });
  });

  test("what is no mode is refused in one line, with status 2", async () => {
    const { status, stderr } = await hello(["--mode", "no-such-mode"], { executable, env });
    expect(status).toBe(2);
    expect(linesOf(stderr)).toHaveLength(1);
  });
});
