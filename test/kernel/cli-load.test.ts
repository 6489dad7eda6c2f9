// hello-ebpf load: what it says of good and bad objects, how it ends, and that nothing stays loaded.

import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { kernelIds, objectBytes, objectPath, until } from "./lib-support.ts";
import { EXECUTABLE, hello, linesOf, recordsOf, SLOWNESS, scratch, userSpace } from "./support.ts";

setDefaultTimeout(20_000 + SLOWNESS * 3_000);
const folder = scratch();
const JSONL = ["--output", "jsonl"];

/** What libbpf makes of an object, by bpftool: each program that autoloads, in one transaction. */
function libbpfLoads(path: string): boolean {
  const script = 'mount -t bpf bpf "$1" && exec bpftool prog loadall "$0" "$1/all"';
  return Bun.spawnSync(["unshare", "--mount", "sh", "-c", script, path, folder]).exitCode === 0;
}

/** An object with the first half of its bytes. */
function truncated(name: string): string {
  const path = join(folder, `${name}.bpf.o`);
  writeFileSync(path, objectBytes(name));
  truncateSync(path, objectBytes(name).length / 2);
  return path;
}

const BOTH = ["lib_data", "lib_ring", "lib_perf", "lib_maps"];

test("objects that libbpf loads are loaded, and released", async () => {
  const paths = BOTH.map(objectPath);
  const before = [...kernelIds("programs"), ...kernelIds("maps")];
  const { status, stdout, stderr } = await hello(["load", ...paths, ...JSONL]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  const records = recordsOf(stdout);
  expect(records.map(({ object }) => object)).toEqual(paths);
  for (const record of records) {
    expect(libbpfLoads(`${record.object}`)).toBe(true);
    expect(record).toMatchObject({ type: "load", ok: true });
    expect(record.maps).toBeGreaterThan(0);
  }
  // The kernel frees a little later, and others come and go: what is new and stays would be ours.
  let left = [...kernelIds("programs"), ...kernelIds("maps")].filter((id) => !before.includes(id));
  await until("nothing is left", () => {
    left = left.filter((id) => kernelIds("programs").has(id) || kernelIds("maps").has(id));
    return left.length === 0;
  });
});

userSpace(() => {
  describe("text: a line an object, whatever comes of it", () => {
    const bad = truncated("lib_data");

    test("one bad object stops none of the rest, and the status is 5", async () => {
      const good = objectPath("lib_plain");
      const { status, stdout } = await hello(["load", bad, join(folder, "none.o"), folder, "/dev/zero", good]);
      expect(status).toBe(5);
      const lines = linesOf(stdout);
      expect(lines).toHaveLength(5);
      expect(lines[0]).toStartWith(`${bad}: Cannot parse `);
      expect(lines[1]).toMatch(/ENOENT: there is no such file; /);
      expect(lines[2]).toMatch(/EISDIR: it is a directory; /);
      expect(lines[3]).toMatch(/^\/dev\/zero: .*it is no regular file; /);
      expect(lines[4]).toBe(`${good}: ok, 1 of 1 programs, 2 maps`);
    });

    test("programs that do not load by themselves are counted and left alone", async () => {
      const path = objectPath("lib_refused");
      expect((await hello(["load", path])).stdout).toBe(`${path}: ok, 1 of 3 programs, 2 maps\n`);
    });

    test("what its author should change is a note, and no reason to refuse it", async () => {
      const path = objectPath("map_legacy");
      const { status, stdout, stderr } = await hello(["load", path]);
      expect({ status, stdout }).toEqual({ status: 0, stdout: `${path}: ok, 1 of 1 programs, 2 maps\n` });
      expect(stderr).toMatch(/^hello-ebpf: \S+map_legacy\.bpf\.o: [^\n]*section maps[^\n]*\n$/);
    });

    test("as JSON an error has its class and message", async () => {
      const { status, stdout } = await hello(["load", bad, ...JSONL]);
      const [record, ...rest] = recordsOf(stdout);
      expect({ status, rest }).toEqual({ status: 5, rest: [] });
      expect(record).toMatchObject({ type: "load", object: bad, ok: false, loaded: 0, error: { class: "object" } });
      expect(`${JSON.stringify(record?.error)}`).toContain('"message":"Cannot parse ');
    });

    test("what an object calls its things is no command to the terminal", async () => {
      const path = join(folder, "escape.bpf.o");
      const bytes = Buffer.from(objectBytes("lib_plain"));
      const at = bytes.indexOf("license\0");
      bytes.write("lic\x1bnse", at, "latin1");
      writeFileSync(path, bytes);
      const { stdout } = await hello(["load", path, `${folder}/\x1b[31m.o`]);
      expect(stdout).not.toContain("\x1b");
      expect(stdout).toContain("\\x1b[31m.o: Cannot read ");
    });
  });

  describe("--verifier-log", () => {
    test("has the words on each program of each object", async () => {
      const path = join(folder, "log");
      writeFileSync(path, "what was there before");
      const object = objectPath("lib_ring");
      expect((await hello(["load", object, "--verifier-log", path])).status).toBe(0);
      const log = readFileSync(path, "utf8");
      expect(log).toStartWith(`${object}: `);
      expect(log.match(/^processed \d+ insns/gm)?.length).toBe(6);
    });

    test("- is standard error, also of what is refused; without it -v has only that", async () => {
      const refused = objectPath("calls"); // one of its programs hands on what the verifier does not let through
      const asked = await hello(["load", refused, "--verifier-log", "-"]);
      expect(asked.status).toBe(5);
      expect(asked.stderr).toMatch(/^processed \d+ insns/m);
      const verbose = await hello(["load", objectPath("lib_plain"), refused, "-v"]);
      expect(verbose.stderr).toMatch(/^processed \d+ insns/m);
      expect(verbose.stderr.match(/^processed/gm)?.length).toBe(1);
    });

    test("is not needed for its last ten lines, on standard error behind the object's line", async () => {
      const refused = join(folder, "refused.bpf.o");
      const bytes = Buffer.from(objectBytes("verdicts")).toString("latin1");
      writeFileSync(refused, bytes.replaceAll("?socket\0", "socket\0\0"), "latin1"); // now they load by themselves
      const whole = linesOf((await hello(["load", refused, "-v"])).stderr);
      const [title, head, ...log] = linesOf((await hello(["load", refused])).stderr);
      expect(title).toStartWith(`hello-ebpf: ${refused}: program `);
      expect(whole.length).toBeGreaterThan(12);
      expect(head).toBe(`the last 10 of ${whole.length - 2} lines of the verifier's log (-v: all):`);
      const numbers = (line: string) => line.replace(/0x\w+/g, "N"); // the map is at another place
      expect(log.map(numbers)).toEqual(whole.slice(-10).map(numbers));
      const together = Bun.spawnSync(["sh", "-c", `exec "$0" load "$1" 2>&1`, EXECUTABLE, refused]).stdout.toString();
      expect(linesOf(together)[0]).toStartWith(`${refused}: Cannot load program `);
      const json = await hello(["load", refused, ...JSONL]);
      expect(recordsOf(json.stdout)).toHaveLength(1);
      expect(json.stdout).not.toContain("processed ");
    });

    test("that cannot be written is one line, before anything is loaded", async () => {
      const { status, stdout, stderr } = await hello(["load", objectPath("lib_plain"), "--verifier-log", "/proc/none"]);
      expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
      expect(stderr).toMatch(/^hello-ebpf: Cannot write the verifier's log to \/proc\/none: [^\n]+\n$/);
      expect(existsSync("/proc/none")).toBe(false);
    });
  });

  describe("--btf", () => {
    const object = objectPath("core_local");

    test("gives the types: an object's, or raw", async () => {
      expect(await hello(["load", object, "--btf", objectPath("core_target")])).toMatchObject({
        status: 0,
        stderr: "",
      });
      const kernels = await hello(["load", object, "--btf", "/sys/kernel/btf/vmlinux"]);
      expect(kernels.status).toBe(5);
      expect(kernels.stdout).toContain("the BTF of /sys/kernel/btf/vmlinux has no type of that name");
    });

    test("that is none is one line, before anything is loaded", async () => {
      const path = join(folder, "raw.btf");
      writeFileSync(path, "no BTF at all");
      const { status, stdout, stderr } = await hello(["load", object, "--btf", path]);
      expect({ status, stdout }).toEqual({ status: 5, stdout: "" });
      expect(stderr).toMatch(/^hello-ebpf: Cannot parse [^\n]+\n$/);
    });

    test("without it the kernel's are taken", async () => {
      expect((await hello(["load", object])).stdout).toContain("vmlinux");
    });
  });

  test("bad usage is 2, and --help says how", async () => {
    for (const args of [[], ["--output", "xml", "x.o"], ["--no-such"]]) {
      const { status, stdout, stderr } = await hello(["load", ...args]);
      expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
      expect(linesOf(stderr)).toHaveLength(1);
    }
    const { status, stdout } = await hello(["load", "--help"]);
    expect(status).toBe(0);
    for (const option of ["--btf", "--verifier-log", "--output"]) expect(stdout).toContain(option);
    expect((await hello(["--help"])).stdout).toMatch(/^ {2}load +\w/m);
  });
});
