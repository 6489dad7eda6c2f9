// tracefs where nobody has mounted it, and where nobody needs it.

import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  EXECUTABLE,
  fewerInGuests,
  Hello,
  linesOf,
  missingHook,
  NamedProgram,
  processes,
  SLOWNESS,
  scratch,
  testHere,
  withCapabilities,
} from "./support.ts";

setDefaultTimeout(20_000 + SLOWNESS * 3_000);
const folder = scratch();

/** A mount namespace of its own, from which every tracefs is taken away. */
const WITHOUT = [
  ...["unshare", "--mount", "sh", "-c"],
  'grep " - tracefs " /proc/self/mountinfo | while read -r a b c d point rest; do umount "$point"; done; exec "$@"',
  "sh",
];

const mountinfo = (pid: number) => readFileSync(`/proc/${pid}/mountinfo`, "utf8");

/** What a descriptor of a process leads to; undefined where it is closed by now. */
function openFile(pid: number, fd: string): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/fd/${fd}`);
  } catch {
    return undefined;
  }
}

describe("tracefs not mounted", () => {
  const cases = [
    ["ring", "tracepoint"],
    ["trace", "raw_tracepoint"],
    ["trace", "tracepoint"],
  ] as const;
  for (const [mode, attach] of fewerInGuests(cases, cases.slice(0, 1)))
    test(`${mode} by ${attach} works, and nothing is mounted on any path`, async () => {
      const shell = new NamedProgram(folder, "sh");
      const args = ["--mode", mode, "--attach", attach, "--comm", shell.name];
      const run = await new Hello(args, { wrapper: WITHOUT }).attached();
      expect(mountinfo(run.pid)).not.toContain(" - tracefs ");
      expect(readdirSync(`/proc/${run.pid}/root/sys/kernel/tracing`)).toEqual([]);
      await shell.run(["-c", processes(5)]);
      const { status, stdout, stderr } = await run.stop();
      expect(status).toBe(0);
      expect(linesOf(stdout)).toHaveLength(5);
      expect(stderr).toEndWith("5 events, 0 lost\n");
    });

  testHere("it may be mounted anywhere, also where a space is in the path", async () => {
    const script = 'mkdir -p "$0/a b"; mount -t tracefs tracefs "$0/a b"; exec "$@"';
    const wrapper = [...WITHOUT, "sh", "-c", script, folder];
    const shell = new NamedProgram(folder, "sh");
    const run = await new Hello(["--mode", "trace", "--comm", shell.name], { wrapper }).attached();
    const pipe = readdirSync(`/proc/${run.pid}/fd`).find((fd) => /trace_pipe$/.test(openFile(run.pid, fd) ?? ""));
    const mount = /^mnt_id:\s*(\d+)$/m.exec(readFileSync(`/proc/${run.pid}/fdinfo/${pipe}`, "utf8"))?.[1];
    const point = mountinfo(run.pid)
      .split("\n")
      .find((line) => line.startsWith(`${mount} `));
    expect(point).toContain(`${folder}/a\\040b `);
    await shell.run(["-c", processes(1)]);
    expect(linesOf((await run.stop()).stdout)).toHaveLength(1);
  });
});

describe("raw_tracepoint needs no tracefs", () => {
  test("none is open while it runs", async () => {
    const run = await new Hello(["--mode", "ring", "--attach", "raw_tracepoint"]).attached();
    const files = readdirSync(`/proc/${run.pid}/fd`).map((fd) => openFile(run.pid, fd) ?? "");
    await run.stop();
    expect(files.filter((path) => /trac/.test(path))).toEqual([]);
    expect(files.some((path) => path.includes("bpf"))).toBe(true);
  });

  test("it works where tracefs is neither mounted nor can be", async () => {
    // CAP_BPF, CAP_PERFMON; CAP_SYS_RESOURCE and CAP_IPC_LOCK for what older kernels count locked memory by.
    const limited = [...WITHOUT, ...withCapabilities([39, 38, 24, 14])];
    const tracepoint = await new Hello(["--mode", "ring", "--attach", "tracepoint"], { wrapper: limited }).ended();
    expect(tracepoint.status).toBe(3);
    expect(linesOf(tracepoint.stderr)).toHaveLength(1);
    const args = ["--mode", "ring", "--attach", "raw_tracepoint", "--duration", "1ms"];
    expect((await new Hello(args, { wrapper: limited }).ended()).status).toBe(0);
  });
});

test("where tracing is switched off trace says so, instead of showing nothing", async () => {
  const folder = mkdtempSync(join(tmpdir(), "hello-tracing-"));
  const switchTo = (value: string) => {
    const script = 'mount -t tracefs tracefs "$1" && echo "$2" >"$1/tracing_on"';
    expect(Bun.spawnSync(["unshare", "--mount", "sh", "-c", script, "sh", folder, value]).exitCode).toBe(0);
  };
  switchTo("0");
  const off = await new Hello(["--mode", "trace", "--duration", "1ms"]).ended();
  switchTo("1");
  rmSync(folder, { recursive: true });
  expect(off.status).toBe(4);
  expect(off.stderr).toMatch(/tracing_on is 0: somebody has switched the kernel's tracing off; /);
});

test("a second reader of trace_pipe is not kept from it without a word", async () => {
  const first = await new Hello(["--mode", "trace", "--comm", "nobody-has-this"]).attached();
  const second = await new Hello(["--mode", "trace", "--comm", "nobody-has-this", "--duration", "1ms"]).ended();
  await first.stop();
  // Kernels differ in whether they allow it: either it runs, or it says who is in the way.
  if (second.status !== 0) expect(second.status).toBe(6);
  if (second.status !== 0) expect(second.stderr).toMatch(/EBUSY: another program reads trace_pipe; /);
  expect(existsSync(EXECUTABLE)).toBe(true);
  expect(missingHook("raw_tracepoint")).toBeUndefined();
});
