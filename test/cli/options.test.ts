// The command line, parsed: defaults, units, what belongs to CMD.

import { describe, expect, test } from "bun:test";
import { UsageError } from "../../src/cli/exit-status.ts";
import { MODES } from "../../src/cli/modes/index.ts";
import { type Invocation, parseOptions } from "../../src/cli/options.ts";
import { SYSCALL_HOOKS } from "../../src/index.ts";

const parse = (...args: string[]) => parseOptions(["--mode", "ring", ...args]) as Invocation;

describe("options", () => {
  test("have the defaults that are documented", () => {
    const { mode, ...rest } = parse();
    expect(mode.name).toBe("ring");
    expect(rest).toEqual({
      attach: "auto",
      syscall: "execve",
      keepPrivileges: false,
      output: "text",
      verbose: false,
      command: [],
    });
  });

  test("take every value in its unit", () => {
    const sizes = parse("--buffer-size", "64K", "--duration", "2m", "--count", "7", "--output", "jsonl", "-v");
    expect(sizes).toMatchObject({ bufferSize: 65536, duration: 120_000, count: 7, output: "jsonl", verbose: true });
    const filters = parse("--uid", "0", "--pid", "4194304", "--comm", "fifteen-bytes-x", "--syscall", "openat");
    expect(filters).toMatchObject({ uid: 0, pid: 4194304, comm: "fifteen-bytes-x", syscall: "openat" });
    expect(parseOptions(["--mode", "map", "--interval", "0.5"])?.interval).toBe(500);
  });

  test("take each mode and each hook", () => {
    for (const { name: mode } of MODES) expect(parseOptions(["--mode", mode])?.mode.name).toBe(mode);
    expect([...SYSCALL_HOOKS]).toEqual(["kprobe", "fentry", "tracepoint", "raw_tracepoint"]);
    for (const attach of SYSCALL_HOOKS) expect(parse("--attach", attach).attach).toBe(attach);
  });

  test("of the modes that are about maps: sizes, and as many classes of addresses as are given", () => {
    const own = parse("--entries", "64", "--top", "3", "--cidr", "10.0.0.0/8=office", "--cidr", "2001:db8::/32=a=b");
    expect(own).toMatchObject({ entries: 64, top: 3 });
    expect(own.cidr).toEqual([
      { prefix: "10.0.0.0/8", name: "office" },
      { prefix: "2001:db8::/32", name: "a=b" },
    ]);
    for (const [option, value] of [
      ["--entries", "0"],
      ["--top", "-1"],
      ["--cidr", "10.0.0.0/8"],
      ["--cidr", "10.0.0.1/8=a"],
      ["--cidr", "=a"],
    ] as const) {
      expect(() => parse(option, value)).toThrow(UsageError);
      expect(() => parse(option, value)).toThrow(option);
    }
  });

  test("may be written with an equals sign, the last of two counts", () => {
    expect(parse("--count=3", "--count=4").count).toBe(4);
  });

  test("end at --: what follows is the command's, whatever it looks like", () => {
    const { command, count } = parse("--count", "1", "--", "sh", "--count", "2", "--", "-v");
    expect({ command, count }).toEqual({ command: ["sh", "--count", "2", "--", "-v"], count: 1 });
  });

  test("that are wrong are a UsageError of one line that names the option", () => {
    for (const [option, value] of [
      ["--count", "x"],
      ["--duration", "1"],
      ["--comm", "sixteen-bytes-xx"],
    ] as const) {
      expect(() => parse(option, value)).toThrow(UsageError);
      expect(() => parse(option, value)).toThrow(option);
      expect(() => parse(option, value)).not.toThrow(/\n/);
    }
    expect(() => parseOptions([])).toThrow("--mode");
    expect(() => parse("--")).toThrow("command");
  });
});
