// hello-ebpf run: a user's object attached by its sections, its events typed, its maps as tables, its losses counted.

import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { kernelIds, objectPath, until } from "./lib-support.ts";
import {
  Hello,
  hello,
  linesOf,
  NamedProgram,
  recordsOf,
  SLOWNESS,
  scratch,
  summaryOf,
  testHere,
  userSpace,
  writes,
} from "./support.ts";

setDefaultTimeout(20_000 + SLOWNESS * 3_000);
const folder = scratch();
const JSONL = ["--output", "jsonl"];
const OBJECT = objectPath("run_object");

/** A program whose write calls the object sees. */
function writer() {
  const dd = new NamedProgram(folder, "dd");
  return { dd, set: ["--set", `wanted=${dd.name}`] };
}

/** A double's bits, as JSON has a 64-bit number. */
function bitsOf(value: number): string | number {
  const bits = new BigUint64Array(new Float64Array([value]).buffer)[0] as bigint;
  return bits <= Number.MAX_SAFE_INTEGER ? Number(bits) : `${bits}`;
}

test("events, tables and sums of an object, as JSON, all of them exact", async () => {
  const { dd, set } = writer();
  const run = await new Hello(["run", OBJECT, ...set, "--set", "step=10", "--interval", "3600", ...JSONL]).attached();
  await dd.run(writes(40));
  const { status, stdout, stderr } = await run.stop();
  expect(status).toBe(0);
  const records = recordsOf(stdout);
  expect(records[0]).toMatchObject({ type: "attached", programs: 2 });
  expect(records[0]?.attached).toMatchObject([{ program: "on_call", hook: "raw_tracepoint", target: "sys_enter" }]);
  expect(records[0]?.failed).toMatchObject([{ program: "on_missing" }]);
  expect(stderr).toContain("hello-ebpf: attached 1 of 2\n");
  for (const map of ["calls", "samples"]) {
    expect(stderr).toContain(`hello-ebpf: events of ${map} are struct call_event, `);
    const events = records.filter((record) => record.type === "event" && record.map === map);
    // Each CPU's perf buffer has its own order.
    const counts = events.map(({ data }) => (data as { count: number }).count).sort((a, b) => a - b);
    expect(counts).toEqual(Array.from({ length: 40 }, (_, i) => i * 10));
    const expected = { comm: dd.name, at: { x: 3, y: -4 }, raw: [1, 2, 255] };
    for (const event of events) expect(event).toMatchObject({ struct: "call_event", data: expected });
  }
  expect(summaryOf(stdout)).toEqual({ produced: 80, events: 80, lost: 0 });
  const table = (name: string) => records.find((record) => record.type === "map" && record.map === name)?.entries;
  expect(table("last")).toMatchObject([{ value: { comm: dd.name, count: 390 } }]);
  expect(table("sums")).toMatchObject([{ key: 0, value: 400 }]);
  // Counts are multiples of ten: they end in the bits 0 and 2 in turn.
  expect((table("size_hist") as { value: number }[]).map(({ value }) => value)).toEqual([20, 0, 20, 0, 0, 0, 0, 0]);
  expect(records.some((record) => record.map === ".rodata" || record.map === ".bss")).toBe(false);
});

testHere("a buffer too small loses some, and says how many", async () => {
  const { dd, set } = writer();
  const run = await new Hello(["run", OBJECT, ...set, "--buffer-size", "4096", ...JSONL]).attached();
  run.kill("SIGSTOP");
  await Bun.spawn(["taskset", "1", ...dd.command, ...writes(500)]).exited;
  run.kill("SIGCONT");
  await run.until(({ stdout }) => stdout.includes('"event"'));
  await Bun.sleep(100 * SLOWNESS);
  await Bun.spawn(["taskset", "1", ...dd.command, ...writes(5)]).exited; // the kernel tells of a loss with the next record that fits
  const { stdout } = await run.stop();
  const { produced, events, lost } = summaryOf(stdout);
  expect(lost).toBeGreaterThan(100);
  expect(events + lost).toBe(produced);
  const samples = recordsOf(stdout).filter((record) => record.type === "event" && record.map === "samples");
  expect(samples.length + lost).toBe(505);
});

userSpace(() => {
  describe("text", () => {
    test("an event is a line of its fields, a table has a title, slots are bars", async () => {
      const { dd, set } = writer();
      const run = await new Hello(["run", OBJECT, ...set, "--interval", "3600"]).attached();
      await dd.run(writes(4));
      const { stdout } = await run.stop();
      const lines = linesOf(stdout);
      const event = `pid=\\d+ comm=${dd.name} count=0 at=\\{x=3, y=-4\\} raw=\\[1, 2, 255\\]`;
      expect(lines.filter((line) => new RegExp(`^calls: ${event}$`).test(line))).toHaveLength(1);
      expect(lines.filter((line) => new RegExp(`^samples: ${event}$`).test(line))).toHaveLength(1);
      expect(stdout).toContain("sums:\n  0: 4\n");
      const bars = lines.slice(lines.indexOf("size_hist:") + 1);
      expect(bars.filter((line) => line.endsWith(`: 1          |${"*".repeat(40)}|`))).toHaveLength(4);
    });

    test("--event names the struct", async () => {
      const { dd, set } = writer();
      const args = ["run", OBJECT, ...set, "--event", "calls=other_view", "--count", "2"]; // one in each buffer
      const run = await new Hello(args).attached();
      await dd.run(writes(1));
      const { stdout, stderr } = await run.ended();
      expect(stderr).toContain("events of calls are struct other_view, as --event says");
      expect(stdout).toMatch(/^calls: process=\d+$/m);
    });

    test("--trace adds the lines of bpf_printk", async () => {
      const { dd, set } = writer();
      const run = await new Hello(["run", OBJECT, ...set, "--set", "say=true", "--trace"]).attached();
      await dd.run(writes(3));
      const { stdout } = await run.stop();
      for (const n of [0, 1, 2]) expect(stdout).toMatch(new RegExp(`bpf_trace_printk: call ${n}$`, "m"));
    });

    test("without buffers --count counts tables, one every --interval", async () => {
      const args = ["run", objectPath("run_table"), "--count", "3", "--interval", "0.2", ...JSONL];
      const begin = Date.now();
      const { status, stdout } = await hello(args);
      const records = recordsOf(stdout);
      const tables = records.filter(({ type }) => type === "map");
      expect({ status, tables: tables.length }).toEqual({ status: 0, tables: 3 });
      tables.forEach(({ ts }, index) => {
        expect(Date.parse(ts) - begin).toBeGreaterThanOrEqual(200 * (index + 1));
      });
      const counts = tables.map(({ entries }) => entries as { key: number; value: number; cpus: number[] }[]);
      for (const [entry, ...rest] of counts) {
        expect({ key: entry?.key, rest }).toEqual({ key: 2, rest: [] }); // of an array what is not zero
        expect(entry?.cpus.reduce((sum, one) => sum + one, 0)).toBe(entry?.value as number);
      }
      expect(counts[2]?.[0]?.value).toBeGreaterThan(counts[0]?.[0]?.value as number);
    });
  });

  describe("shapes", () => {
    const SHAPES = objectPath("run_shapes");
    const all = ["--interval", "3600"];

    test("records are what the map says, what fits with a perf buffer's padding, or bytes", async () => {
      const { dd, set } = writer();
      const run = await new Hello(["run", SHAPES, ...set, ...all, "--event", "settings=settings_record"]).attached();
      await dd.run(writes(2));
      const { stdout, stderr } = await run.stop();
      const shown = (map: string) =>
        linesOf(stdout).flatMap((line) => (line.startsWith(`${map}: `) ? [line.slice(map.length + 2)] : []));
      for (const map of ["typed", "typed_perf"]) {
        expect(stderr).toContain(`events of ${map} are struct reading, the value type of the map\n`);
        expect(shown(map)).toEqual(["number=0 twice=0", "number=1 twice=2"]);
      }
      expect(stderr).toContain(
        "events of by_typedef are struct short_reading, the value type of the map; where they are ",
      );
      expect(shown("by_typedef")).toEqual(["whole=0 not_sent=0", "whole=1 not_sent=0"]);
      expect(shown("guessed_perf")).toEqual(["number=0 half=0", "number=1 half=0"]);
      expect(shown("odd")).toEqual(["0x000000", "0x010000"]);
      expect(stderr).toContain("events of odd are bytes: no struct fits (--event MAP=STRUCT names one)\n");
    });

    test("the array without a length that a struct ends in is as long as the record", async () => {
      const { dd, set } = writer();
      const run = await new Hello(["run", SHAPES, ...set, ...all]).attached();
      await dd.run(writes(2));
      const lines = linesOf((await run.stop()).stdout);
      const shown = (map: string) => lines.filter((line) => line.startsWith(`${map}: `));
      expect(shown("ends_in_text")).toEqual(
        [0, 1].flatMap((number) =>
          ["length=5 text=hello", "length=5 text=he", 'length=0 text=""'].map(
            (rest) => `ends_in_text: number=${number} ${rest}`,
          ),
        ),
      );
      expect(shown("text_perf")).toEqual(
        [0, 1].map((number) => `text_perf: number=${number} length=5 text="hello, you"`),
      );
      expect(shown("ends_in_pairs")).toEqual(
        [0, 1].map((number) => `ends_in_pairs: number=${number} pairs=[{a=1, b=2}, {a=3, b=65540}]`),
      );
    });

    test("--set takes numbers, fractions, text, enumerators by name and number, and structs as JSON", async () => {
      const { dd, set } = writer();
      for (const [pairs, expected] of [
        [["level=HIGH"], { level: "HIGH" }],
        [["level=4"], { level: "HIGH" }],
        [["level=3"], { level: 3 }],
        [["limits.flag=0b101", "limits.parts[1]=-2"], { flag: 5, parts: [0, -2, 0] }],
        [['limits={"most":-7,"parts":[1,2,3]}'], { most: -7, parts: [1, 2, 3], flag: 0 }],
        [['limits={"wide":18446744073709551615}'], { wide: "18446744073709551615", most: 0 }],
        [["factor=1.5"], { factor_bits: bitsOf(1.5) }],
        [["factor=-2e300"], { factor_bits: bitsOf(-2e300) }],
        [["factor=3"], { factor_bits: bitsOf(3) }],
        [["text=123"], { text: "123" }],
      ] as const) {
        const given = pairs.flatMap((pair) => ["--set", pair]);
        const run = await new Hello(["run", SHAPES, ...set, ...given, ...all, ...JSONL]).attached();
        await dd.run(writes(1));
        const { stdout } = await run.stop();
        const [event] = recordsOf(stdout).filter(({ map, type }) => type === "event" && map === "settings");
        expect([pairs, event?.data]).toEqual([pairs, expect.objectContaining(expected)]);
      }
    });

    test("slots are drawn wherever they are: in values, as values, in variables, of all CPUs", async () => {
      const { dd, set } = writer();
      const run = await new Hello(["run", SHAPES, ...set, ...all]).attached();
      await dd.run(writes(6));
      const { stdout } = await run.stop();
      const lines = linesOf(stdout);
      /** A table's lines: what stands in front of its bars, and which slots have any. */
      const table = (name: string) => {
        const from = lines.indexOf(`${name}:`) + 1;
        const to = lines.findIndex((line, i) => i >= from && !line.startsWith(" "));
        const own = lines.slice(from, to < 0 ? undefined : to).map((line) => line.trim().replaceAll(/\s+/g, " "));
        const bars = own.filter((line) => /\|\*/.test(line)).map((line) => line.replace(/ \|.*/, ""));
        return [own.filter((line) => !/\||distribution/.test(line)), bars];
      };
      expect(table("in_struct")).toEqual([['1000: {number=9, comm=""}'], ["4 -> 7 : 6"]]);
      expect(table("whole_value")).toEqual([["7:"], ["8 -> 15 : 6"]]);
      expect(table("by_count")).toEqual([[], ["16 -> 31 : 6"]]);
      expect(table("on_cpus_hist")).toEqual([[], ["32 -> 63 : 6"]]);
      expect(table("bss_hist")).toEqual([[], ["2 -> 3 : 6"]]);
      expect(table("twos")).toEqual([
        ["1:", "slots:", "more_slots:"],
        ["0 -> 1 : 6", "2 -> 3 : 6"],
      ]);
      // No counts, and no slots.
      expect(table("negative_hist")).toEqual([["1: -30", "6: 6"], []]);
      expect(table("history")).toEqual([["2: {a=6, b=0}"], []]);
      expect(table("call_history")).toEqual([["9: 6"], []]);
      expect(table("long_hist")).toEqual([["990: 6"], []]);
      expect(table("in_nested")).toEqual([["3: {inner={number=0}, outer=5}"], ["2 -> 3 : 6"]]);
      for (const name of ["no_user", "no_slots", "no_nested", "plain_counter"]) expect(stdout).not.toContain(name);
    });

    test("an iterator says what it goes over, as text and JSON, every --interval and at the end", async () => {
      const { stdout } = await hello(["run", SHAPES, "--duration", "1ms", ...all]);
      expect(stdout.endsWith("\na\tline\na\tline\na\tline\n")).toBe(true);
      const often = await hello(["run", SHAPES, "--duration", "700ms", "--interval", "0.2", ...JSONL]);
      const iters = recordsOf(often.stdout).filter(({ type }) => type === "iter");
      expect(iters.length).toBeGreaterThan(2);
      for (const record of iters)
        expect(record).toMatchObject({ iter: "task", lines: ["a\tline", "a\tline", "a\tline"] });
    });

    test("an iterator that refuses is said, and the rest goes on", async () => {
      const { dd, set } = writer();
      const args = ["run", SHAPES, ...set, ...all, "--set", "iterator_refuses=true"];
      const run = await new Hello(args).attached();
      await dd.run(writes(1));
      const { status, stdout, stderr } = await run.stop();
      expect(status).toBe(0);
      expect(stderr).toMatch(/^hello-ebpf: Cannot read iter task: read\(\) gave E[A-Z]+/m);
      expect(stdout).toContain("\nbss_hist:\n");
    });

    test("--count is so many events, whatever else has come", async () => {
      const { dd, set } = writer();
      const run = await new Hello(["run", SHAPES, ...set, ...all, "--count", "7", ...JSONL]).attached();
      await dd.run(writes(400));
      const { status, stdout } = await run.ended();
      const events = recordsOf(stdout).filter(({ type }) => type === "event");
      expect({ status, events: events.length }).toEqual({ status: 0, events: 7 });
      expect(summaryOf(stdout)).toMatchObject({ events: 7 });
    });
  });

  describe("what does not work", () => {
    test("--strict: one attach that fails ends it with 6", async () => {
      const { status, stderr } = await hello(["run", OBJECT, "--strict", "--duration", "1ms"]);
      expect(status).toBe(6);
      expect(stderr).toMatch(/^hello-ebpf: Cannot attach program on_missing to tracepoint [^\n]*; [^\n]*\n$/);
    });

    test("bad options are 2, one line that says what there is", async () => {
      for (const [args, words] of [
        [["--set", "wanted"], "NAME=VALUE"],
        [["--set", "wantd=x"], "close: wanted"],
        [["--set", "step=many"], 'hello-ebpf: Cannot set step: "many" is not'],
        [["--set", "say=maybe"], 'Cannot set say to "maybe": expected true or false'],
        [["--event", "call=call_event"], "close: calls"],
        [["--event", "calls=call_evnt"], "close: call_event"],
        [["--event", "last=call_event"], "last is no ring or perf buffer"],
        [["--target", "on_cal=x"], "close: on_call"],
      ] as const) {
        const { status, stdout, stderr } = await hello(["run", OBJECT, ...args, "--duration", "1ms"]);
        expect({ status, stdout, args }).toEqual({ status: 2, stdout: "", args });
        expect(linesOf(stderr)).toHaveLength(1);
        expect(stderr).toContain(words);
      }
    });

    test("no file, no object", async () => {
      expect((await hello(["run"])).status).toBe(2);
      expect((await hello(["run", "/nonexistent"])).stderr).toMatch(
        /^hello-ebpf: Cannot read \/nonexistent: [^\n]+\n$/,
      );
      expect((await hello(["run", "/bin/true"])).status).toBe(5);
    });
  });

  test("-- CMD: its status is ours; nothing stays", async () => {
    const ids = () => [...kernelIds("programs"), ...kernelIds("maps"), ...kernelIds("links")];
    const before = ids();
    const { status } = await hello(["run", OBJECT, "--", "sh", "-c", "exit 7"]);
    expect(status).toBe(7);
    let left = ids().filter((id) => !before.includes(id));
    await until("nothing is left", () => {
      const now = ids();
      left = left.filter((id) => now.includes(id));
      return left.length === 0;
    });
  });
});
