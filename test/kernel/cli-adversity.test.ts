// Where things are missing, full or broken: no sysfs, no descriptors, a standard error that nobody reads, objects that
// are not what they were.

import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseObject, watchSyscall } from "../../src/index.ts";
import {
  EXECUTABLE,
  fewerInGuests,
  Hello,
  hello,
  linesOf,
  MODES,
  NamedProgram,
  processes,
  ROOT,
  recordsOf,
  SLOWNESS,
  scratch,
  testHere,
  userSpace,
} from "./support.ts";

setDefaultTimeout(20_000 + SLOWNESS * 3_000);
const folder = scratch();
const JSONL = ["--output", "jsonl"];

describe("without sysfs", () => {
  const wrapper = ["unshare", "-m", "sh", "-c", 'umount -l /sys && exec "$@"', "sh"];
  for (const mode of fewerInGuests(MODES, ["ring"])) {
    test(`${mode} sees and accounts for all`, async () => {
      const shell = new NamedProgram(folder, "sh");
      const args = ["--mode", mode, "--comm", shell.name, ...JSONL];
      const run = await new Hello(args, { wrapper }).attached();
      await shell.run(["-c", processes(20)]);
      const { status, stdout } = await run.stop();
      expect(status).toBe(0);
      expect(recordsOf(stdout).at(-1)).toMatchObject({ type: "summary", produced: 20, events: 20, lost: 0 });
    });
  }

  test("is why there is no kprobe", async () => {
    const { status, stderr } = await hello(["--mode", "ring", "--attach", "kprobe"], { wrapper });
    expect(status).toBe(4);
    expect(stderr).toMatch(/^hello-ebpf: Cannot [^\n]*ENOENT: no sysfs is mounted at \/sys; mount it: [^\n]*\n$/);
  });
});

describe("a standard error that nobody reads", () => {
  testHere("stops neither the run nor its ending", async () => {
    // The pipe is full, kept open and never read; each loss would be one more line on it.
    const script = 'exec "$@" 2>&3 3>&-';
    const fifo = join(folder, "stderr");
    expect(Bun.spawnSync(["mkfifo", fifo]).exitCode).toBe(0);
    const holder = Bun.spawn(["sh", "-c", `exec 3<>${fifo}; head -c 65536 /dev/zero >&3; exec sleep 600`], {
      stdio: ["ignore", "ignore", "ignore"],
    });
    await Bun.sleep(100 + SLOWNESS * 40);
    const dd = new NamedProgram(folder, "dd");
    // Not by a kprobe: the emulation in guests crashes when a probe is taken out of a function in use (see cli-endings).
    const where = ["--attach", "tracepoint", "--syscall", "read", "--comm", dd.name];
    const args = ["--mode", "perf", "--buffer-size", "1", ...where, ...JSONL];
    const wrapper = ["sh", "-c", `exec 3>${fifo}; ${script}`, "sh"];
    const run = await new Hello(args, { wrapper }).until(({ stdout }) => stdout.includes('"attached"'));
    const storm = [1, 2].map(() => dd.start(["if=/dev/zero", "of=/dev/null", "bs=1", "count=100000000"]));
    await run.until(({ stdout }) => stdout.split('"type":"lost"').length > 20, 30 + SLOWNESS * 3);
    const begin = performance.now();
    const { status, stdout } = await run.stop();
    const elapsed = performance.now() - begin;
    for (const child of [...storm, holder]) child.kill("SIGKILL");
    expect(status).toBe(0);
    expect(elapsed).toBeLessThan(2000 + SLOWNESS * 500);
    const { produced, events, lost } = recordsOf(stdout).at(-1) as never as Record<string, number>;
    expect((events ?? 0) + (lost ?? 0)).toBe(produced as number);
  });
});

userSpace(() => {
  test("one signal while a run ends by itself is not the second one", async () => {
    const stubborn = ["sh", "-c", 'trap "" TERM; sleep 1'];
    const run = new Hello(["--mode", "ring", "--count", "1", "--", ...stubborn]);
    await run.until(({ stdout }) => stdout.includes("Hello World"));
    run.kill("SIGINT");
    expect((await run.ended()).status).toBe(0);
  });

  test("options without effect are said to have none", async () => {
    const { status, stderr } = await hello([
      "--mode",
      "trace",
      "--buffer-size",
      "4K",
      "--interval",
      "1",
      "--duration",
      "1ms",
    ]);
    expect(stderr).toContain("hello-ebpf: --buffer-size has no effect in trace mode\n");
    expect(stderr).toContain("hello-ebpf: --interval has no effect in trace mode\n");
    expect(status).toBe(0);
  });

  test("descriptors do not grow with events", async () => {
    const shell = new NamedProgram(folder, "sh");
    const run = await new Hello(["--mode", "ring", "--comm", shell.name]).attached();
    const count = () => readdirSync(`/proc/${run.pid}/fd`).length;
    await shell.run(["-c", processes(10)]);
    await run.until(({ stdout }) => linesOf(stdout).length === 10);
    const before = count();
    await shell.run(["-c", processes(500)]);
    await run.until(({ stdout }) => linesOf(stdout).length === 510);
    // The runtime opens two of its own, once, when it first has to wait for whoever reads the lines.
    expect(count() - before).toBeOneOf([0, 2]);
    await run.stop();
  });

  describe("descriptors that run out: one line with errno, cause and what to do", () => {
    test("a command that was started then is ended", async () => {
      for (const limit of [13, 14, 15, 16, 17, 18]) {
        const wrapper = ["sh", "-c", `ulimit -n ${limit} && exec "$@"`, "sh"];
        const args = ["--mode", "ring", "--attach", "raw_tracepoint", "--comm", "nobody", "-v", "--duration", "2s"];
        const { status, stderr } = await new Hello([...args, "--", "sleep", "71.7"], {
          wrapper,
        }).ended();
        const errors = linesOf(stderr).filter((line) => !/attached|capabilities kept|events, 0 lost$/.test(line));
        for (const line of errors)
          expect(line).toMatch(
            /^hello-ebpf: Cannot .* gave EMFILE: .*; raise the limit|^hello-ebpf: Cannot start .*EMFILE/,
          );
        expect(errors.length).toBeLessThanOrEqual(1);
        expect(status).toBe(errors.length === 0 ? 0 : 1);
        expect(Bun.spawnSync(["pgrep", "-f", "^sleep 71.7"]).stdout.toString()).toBe("");
      }
    });

    test("nor is a reader waited for that does not read", async () => {
      const fifo = join(folder, "unread");
      expect(Bun.spawnSync(["mkfifo", fifo]).exitCode).toBe(0);
      const holder = Bun.spawn(["sh", "-c", `exec 3<>${fifo}; head -c 65536 /dev/zero >&3; echo; exec sleep 600`], {
        stdio: ["ignore", "pipe", "ignore"],
      });
      await holder.stdout.getReader().read();
      const wrapper = ["sh", "-c", `ulimit -n 14; exec "$@" >${fifo}`, "sh", "timeout", "-s", "KILL", "10"];
      const args = ["--mode", "ring", "--attach", "raw_tracepoint", "--comm", "nobody", "--output", "jsonl"];
      const { status, stderr } = await hello(args, { wrapper });
      holder.kill("SIGKILL");
      expect(linesOf(stderr).at(-1)).toMatch(
        /^hello-ebpf: Cannot wait for events: .* gave EMFILE: .*; raise the limit/,
      );
      expect(status).toBe(1);
    });

    for (const limit of [6, 8, 9]) {
      test(`${limit} of them`, async () => {
        const wrapper = ["sh", "-c", `ulimit -n ${limit} && exec "$@"`, "sh"];
        const { status, stderr } = await hello(["--mode", "ring", "--attach", "raw_tracepoint", "--duration", "1ms"], {
          wrapper,
        });
        expect(status).toBe(1);
        expect(stderr).toMatch(/^hello-ebpf: Cannot [^\n]* gave EMFILE: [^\n]*; raise the limit \(ulimit -n\)\n$/);
      });
    }
  });

  describe("5: an object that is refused", () => {
    /** A copy of the executable in which the embedded object of a mode is changed. */
    function changed(mode: string, change: (object: Buffer) => void): string {
      const image = readFileSync(EXECUTABLE);
      const object = readFileSync(join(ROOT, `build/bpf/hello_${mode}.bpf.o`));
      const at = image.indexOf(object);
      expect(at).toBeGreaterThan(0);
      change(image.subarray(at, at + object.length));
      const copy = join(folder, `hello-${mode}`);
      writeFileSync(copy, image);
      chmodSync(copy, 0o755);
      return copy;
    }

    test("for its bytes", async () => {
      const executable = changed("ring", (object) => object.fill(0xff, 40, 48)); // e_shoff
      const { status, stdout, stderr } = await hello(["--mode", "ring"], { executable });
      expect(stderr).toMatch(/^hello-ebpf: Cannot parse [^\n]+\n$/);
      expect({ status, stdout }).toEqual({ status: 5, stdout: "" });
    });

    test("by the verifier, the end of whose log follows, all of it with -v", async () => {
      // The first instruction of every program becomes exit: the verifier finds the others unreachable.
      const executable = changed("perf", (object) => {
        for (const section of ["kprobe", "fentry", "tracepoint", "raw_tracepoint/sys_enter"]) spoil(object, section);
      });
      const args = ["--mode", "perf", "--attach", "raw_tracepoint"];
      const quiet = await hello(args, { executable });
      expect(quiet.stderr).toMatch(
        /^hello-ebpf: Cannot load program on_raw_tracepoint: [^\n]* gave E[^\n]*unreachable insn 1[^\n]*\n/,
      );
      expect(quiet.stderr).toMatch(/\n(?:the last 10 of \d+ lines of )?the verifier's log[^\n]*:\n(?:[^\n]*\n){1,10}$/);
      expect(quiet.status).toBe(5);
      const verbose = await hello([...args, "-v"], { executable });
      expect(verbose.stderr.split("\n").filter((line) => line.includes("unreachable insn 1")).length).toBe(2);
      expect(verbose.status).toBe(5);
    });

    function spoil(object: Buffer, section: string): void {
      const view = new DataView(object.buffer, object.byteOffset, object.length);
      const headers = Number(view.getBigUint64(40, true)); // e_shoff
      const offset = (index: number) => Number(view.getBigUint64(headers + index * 64 + 24, true));
      const names = offset(view.getUint16(62, true)); // e_shstrndx
      for (let index = 0; index < view.getUint16(60, true); index++) {
        const at = names + view.getUint32(headers + index * 64, true);
        const name = object.subarray(at, object.indexOf(0, at)).toString();
        if (name === section) object.set([0x95, 0, 0, 0, 0, 0, 0, 0], offset(index)); // BPF_JMP | BPF_EXIT
      }
    }
  });
});

test("without bpf_probe_read_kernel the message is copied", () => {
  const spec = parseObject(readFileSync(join(ROOT, "build/bpf/hello_ring.bpf.o")), "hello_ring");
  spec.globals.set("config.has_probe_read_kernel", false);
  const { object, link } = watchSyscall(spec, "getppid", ["tracepoint"]);
  const events = object.ringBuffer<{ pid: number; message: string }>("events", "hello_event");
  Bun.spawnSync(["sh", "-c", "exit 0"]);
  process.ppid;
  link.close();
  const messages: string[] = [];
  events.read(({ message }) => messages.push(message));
  events.close();
  object.close();
  expect(new Set(messages)).toEqual(new Set(["Hello World"]));
});
