// How `hello-ebpf run` shows what it knows nothing of: values of any type, bars, and the struct that a record is.

import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { declaredType, guessedType, namedStruct, structNames } from "../../src/cli/any-object/event-types.ts";
import { histogramLines } from "../../src/cli/any-object/histogram.ts";
import { Streams } from "../../src/cli/any-object/stream.ts";
import { recordText, valueText } from "../../src/cli/any-object/value-text.ts";
import { jsonLine } from "../../src/cli/json.ts";
import { type Btf, type MapSpec, parseObject } from "../../src/index.ts";

describe("valueText", () => {
  test("shows every kind of value", () => {
    const bytes = new Uint8Array([0, 255]);
    const value = { a: 1, b: -2n, c: "sh", d: [true, 0.5], e: { f: "" }, bytes };
    expect(valueText(value)).toBe('{a=1, b=-2, c=sh, d=[true, 0.5], e={f=""}, bytes=0x00ff}');
    expect(recordText({ pid: 1, comm: "a b" })).toBe('pid=1 comm="a b"');
    expect(recordText([1, 2])).toBe("[1, 2]");
  });

  test("no text can be taken for another", () => {
    const texts = ["a", "a b", 'a"', "a=b", "{}", "[", "", "\\", "\n", "a,b", "\\n"];
    expect(new Set(texts.map(valueText)).size).toBe(texts.length);
    for (const text of texts) expect(valueText(text)).not.toMatch(/[\n\x1b]/);
  });
});

describe("histogramLines", () => {
  test("a line for each slot up to the last that is not empty, bars to the greatest", () => {
    const [head, ...lines] = histogramLines([0, 10, 0, 40, 0]) ?? [];
    expect(head).toContain("count");
    expect(lines.map((line) => line.replaceAll(/\s+/g, " ").trim())).toEqual([
      "0 -> 1 : 0 | |",
      `2 -> 3 : 10 |${"*".repeat(10)} |`,
      "4 -> 7 : 0 | |",
      `8 -> 15 : 40 |${"*".repeat(40)}|`,
    ]);
    expect(new Set(lines.map((line) => line.length)).size).toBe(1);
  });

  test("nothing for nothing, none where one is no count, and the last of 64 slots", () => {
    expect(histogramLines([0, 0])).toEqual([]);
    expect(histogramLines([1, -1, 5])).toBeUndefined();
    const full = 2 ** 32 - 1; // of each of two CPUs, whose type holds no sum of both
    expect(histogramLines([1, [full, full]])?.at(-1)).toContain(` ${2 * full} `);
    const slots = Array.from({ length: 64 }, (_, slot) => (slot === 63 ? 1n : 0n));
    expect(histogramLines(slots)?.at(-1)).toContain(`${2n ** 63n} -> ${2n ** 64n - 1n} `);
  });
});

describe("the struct of a record", () => {
  const parsed = (name: string) => {
    const spec = parseObject(readFileSync(join(import.meta.dir, `../../build/fixtures/${name}.bpf.o`)));
    return { spec, btf: spec.btf as Btf };
  };
  const { spec, btf } = parsed("run_object");
  const map = spec.maps.get("calls") as MapSpec;

  test("is the one that the user names", () => {
    expect(declaredType(btf, map, "other_view")).toMatchObject({ name: "other_view" });
    expect(declaredType(btf, map, undefined)).toBeUndefined();
  });

  test("is what the map says its values are", () => {
    const last = spec.maps.get("last") as MapSpec;
    expect(declaredType(btf, last, undefined)).toMatchObject({ name: "call_event" });
  });

  test("is else the one named like an event, also where its last array is cut", () => {
    expect(guessedType(btf, 40)).toMatchObject({ name: "call_event" });
    expect(guessedType(btf, 44)).toMatchObject({ name: "call_event" }); // as a perf buffer pads it
    expect(guessedType(btf, 38)?.name).toBe("call_event"); // raw has 3 bytes, of 36 to 39
    for (const length of [0, 4, 24, 35, 48, 96])
      expect([length, guessedType(btf, length)]).toEqual([length, undefined]);
  });

  test("has the name of a typedef where it has none", () => {
    const { btf } = parsed("run_shapes");
    const id = namedStruct(btf, "named_by_typedef");
    expect(btf.type(id)).toMatchObject({ kind: "struct", name: "", size: 20 });
    const names = [...structNames(btf)].map(({ name }) => name);
    expect(names).toContain("named_by_typedef");
    expect(names).not.toContain("");
    expect(namedStruct(btf, "slots27")).toBe(0);
  });
});

test("Streams waits for all at once, and begins no wait twice", async () => {
  let waits = 0;
  let end = () => {};
  const slow = {
    read: () => 0,
    wake: () => {},
    close: () => {},
    wait: () => {
      waits++;
      return new Promise<void>((resolve) => {
        end = resolve;
      });
    },
  };
  const quick = { ...slow, read: (limit: number) => limit, wait: () => Promise.resolve() };
  const streams = new Streams([slow, quick]);
  for (let i = 0; i < 5; i++) await streams.wait();
  expect(waits).toBe(1);
  end();
  await Bun.sleep(1);
  await streams.wait();
  expect(waits).toBe(2);
  expect(streams.read(7)).toBe(7);
});

test("JSON has readable text and bytes at any depth", () => {
  const line = jsonLine({
    data: { name: "a\udcff", list: ["\udcfe", { big: 2n ** 60n }], bytes: new Uint8Array([1, 254]) },
  });
  expect(JSON.parse(line)).toEqual({
    data: { name: "a\ufffd", name_hex: "61ff", list: ["\ufffd", { big: `${2n ** 60n}` }], bytes: "01fe" },
  });
});
