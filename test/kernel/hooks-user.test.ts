// Probes of user space: this process calls functions of libc that nothing else in it calls.

import { dlopen } from "bun:ffi";
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Executable, functionOffsets } from "elf-loader";
import { findExecutable } from "../../src/host/executable-file.ts";
import type { BpfError } from "../../src/index.ts";
import { cString } from "../../src/sys/libc.ts";
import { conformance, type Row, since } from "./hooks-support.ts";
import { global, load, ROOT, thrownBy } from "./lib-support.ts";

const libc = dlopen("libc.so.6", {
  a64l: { args: ["ptr"], returns: "i64" },
  l64a: { args: ["i64"], returns: "ptr" },
}).symbols;
const text = cString("zz");

function a64l(times: number): void {
  for (let i = 0; i < times; i++) libc.a64l(text);
}

const PATH = findExecutable("libc.so.6") ?? "";
const [OFFSET = 0] = functionOffsets(Executable.parse(readFileSync(PATH), PATH), "a64l");
const ALWAYS = since("5.10");
const plain = (program: string, on: readonly string[], options = {}, name = program): Row => ({
  ...{ program, on, name, fire: a64l, options: () => options },
});
const COOKIE = 0x1122_3344_5566_7788n;
const withCookie = (program: string, on: readonly string[], options: object): Row => ({
  ...plain(program, on, options),
  holds: (object) => expect(global(object, "cookie").value).toBe(COOKIE),
});

conformance(
  "hooks_user",
  [
    plain("on_uprobe", ALWAYS),
    plain("on_uprobe", ALWAYS, { target: `${PATH}:0x${OFFSET.toString(16)}` }, "on_uprobe by the offset in the file"),
    plain("on_uprobe", ALWAYS, { target: `${PATH}:a64l+0`, pid: process.pid }, "on_uprobe of one process"),
    plain("on_uprobe_sleepable", since("6.1")),
    plain("on_uretprobe", ALWAYS),
    plain("on_uprobe_bare", ALWAYS, { target: "libc.so.6:a64l@GLIBC_2.2.5" }, "on_uprobe by version"),
    plain("on_uprobe_multi", since("6.12")),
    plain("on_uprobe_multi", since("6.12"), { targets: ["a64l", "l64a"] }, "on_uprobe_multi of names"),
    plain("on_uretprobe_multi", since("6.12")),
    { ...plain("on_uprobe_session", ["7"]), others: true }, // at entry and return
    withCookie("cookie_uprobe", since("6.1"), { cookie: COOKIE }),
    withCookie("cookie_uprobe_multi", since("6.12"), {
      target: "libc.so.6",
      targets: ["l64a", "a64l"],
      cookies: [1n, COOKIE],
    }),
  ],
  (spec) => spec.globals.set("tgid", process.pid),
);

const MARKERS = join(ROOT, "build/fixtures/markers.so");
const markers = dlopen(MARKERS, {
  watched: { args: [], returns: "i32" },
  numbers: { args: ["i32", "u8", "i64"], returns: "void" },
  twice: { args: ["i64"], returns: "void" },
}).symbols;

/** Without cookies (5.10) the markers of a library are found in one process only. */
const inThisProcess = { pid: process.pid };

conformance(
  "hooks_usdt",
  [
    {
      ...{ program: "on_usdt", on: ALWAYS, name: "on_usdt in registers, memory and a constant" },
      options: () => ({ target: `${MARKERS}:hello:numbers`, cookie: -7, ...inThisProcess }),
      fire: (times) => {
        for (let i = 0; i < times; i++) markers.numbers(-5, 200, 2);
      },
      holds: (object) => {
        const value = (name: string) => global(object, name).value;
        expect((value("values") as bigint[]).map(Number)).toEqual([-5, 200, -20, 0, 77, 0]);
        // This header does not know an index times a scale, and there is no sixth.
        expect([value("count"), value("cookie"), value("results")].map(Number)).toEqual([5, -7, 0b101000]);
      },
    },
    {
      ...{ program: "on_usdt", on: ALWAYS, name: "on_usdt of a marker in two places with a counter", others: true },
      options: () => ({ target: `${MARKERS}:hello:twice`, ...inThisProcess }),
      fire: (times) => {
        for (let i = 0; i < times; i++) markers.twice(40);
      },
      holds: (object) => {
        expect(Number(global(object, "seen").value)).toBe(6);
        expect(Number((global(object, "values").value as bigint[])[0])).toBe(41);
        expect(markers.watched()).toBe(2);
      },
    },
  ],
  (spec) => spec.globals.set("tgid", process.pid),
);

test("markers are let go of, and one that is not there is told from those near", () => {
  expect(markers.watched()).toBe(0);
  using object = load("hooks_usdt");
  const refused = (target: string) =>
    (thrownBy(() => object.program("on_usdt").attach({ target, ...inThisProcess })) as BpfError).message;
  expect(refused(`${MARKERS}:hello:number`)).toEndWith("it has no marker hello:number (close: hello:numbers)");
  expect(refused("libc.so.6:hello:numbers")).toEndWith("it has no markers");
});

test("what cannot be probed says why, and what is near", () => {
  using object = load("hooks_user", "on_uprobe", "on_uretprobe");
  const refused = (target: string, program = "on_uprobe") =>
    (thrownBy(() => object.program(program).attach(target)) as BpfError).message.replace(/^.*?: /, "");
  expect(refused("libc.so.6:a64k")).toMatch(/^\S+ has no function a64k \(close: a64l/);
  expect(refused("libc.so.7:a64l")).toBe("there is no file libc.so.7");
  expect(refused("a64l")).toBe("expected PATH:FUNCTION");
  expect(refused("/etc/passwd:root")).toBe("it is no ELF file");
  expect(refused("libc.so.6:a64l+4", "on_uretprobe")).toBe("a return has no offset");
});
