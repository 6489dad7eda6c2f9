// The comparison with libbpf: that objects are found where they are embedded, and no difference is passed over.

import { describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { reasonOf } from "../../scripts/corpus/exceptions.ts";
import { extractObjects, objectsIn } from "../../scripts/corpus/extract.ts";
import { compare, parseVerdict } from "../../scripts/corpus/verdicts.ts";
import { errnoName } from "../../src/index.ts";

const object = readFileSync(join(import.meta.dir, "../../build/fixtures/lib_ring.bpf.o"));
const other = readFileSync(join(import.meta.dir, "../../build/fixtures/lib_plain.bpf.o"));

describe("objects in a file", () => {
  const program = readFileSync("/bin/true"); // an ELF file of another machine
  const file = Buffer.concat([program, object, Buffer.from("\x7fELF"), other, object.subarray(0, 100)]);

  test("are found whole, between anything", () => {
    expect([...objectsIn(file)].map((found) => found.length)).toEqual([object.length, other.length]);
  });

  test("are kept once, named by their file", () => {
    const folder = mkdtempSync(join(tmpdir(), "hello-corpus-"));
    try {
      writeFileSync(join(folder, "tool"), Buffer.concat([object, object]));
      writeFileSync(join(folder, "two"), Buffer.concat([other, object]));
      expect(extractObjects(folder, join(folder, "out"))).toBe(2);
      expect(readdirSync(join(folder, "out")).sort()).toEqual(["tool.bpf.o", "two.bpf.o"]);
      expect(readFileSync(join(folder, "out/tool.bpf.o")).equals(object)).toBe(true);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe("compare", () => {
  const program = { name: "p", type: 1, attach: 0, autoload: true };
  const theirs = (over = {}, line = {}) => ({
    object: "o",
    opened: true,
    programs: [{ ...program, errno: 0, ...over }],
    maps: 1,
    errno: 0,
    ...line,
  });
  const ours = (over = {}, line = {}) => ({
    object: "o",
    opened: true,
    programs: [{ ...program, ...over }],
    maps: 1,
    ...line,
  });
  const verdict = (line: object) => parseVerdict(JSON.stringify(line), errnoName);
  const differences = (a: object, b: object) =>
    compare([verdict(a)], [verdict(b)]).differences.map(({ program, libbpf, ours }) => [program, libbpf, ours]);
  const refused = { errno: "EACCES", class: "verifier", message: "no" };

  test("agrees where both load, and where both refuse", () => {
    expect(compare([verdict(theirs())], [verdict(ours())])).toMatchObject({
      bothObjects: 1,
      bothPrograms: 1,
      differences: [],
    });
    const both = compare([verdict(theirs({ errno: 13 }, { errno: 13 }))], [verdict(ours({ refused }, { refused }))]);
    expect(both).toMatchObject({ bothObjects: 0, neither: 1, differences: [] });
  });

  test("says what only one loads, object and program", () => {
    expect(differences(theirs(), ours({ refused }, { refused }))).toEqual([
      ["", "loads", "EACCES: no"],
      ["p", "loads", "EACCES: no"],
    ]);
    expect(differences(theirs({ errno: 22 }, { errno: 22 }), ours())).toEqual([
      ["", "EINVAL", "loads"],
      ["p", "EINVAL", "loads"],
    ]);
  });

  test("says refusals of another kind", () => {
    const by = (errno: number, over: object) =>
      differences(theirs({ errno }, { errno }), ours({ refused: over }, { refused: over }));
    expect(by(1, refused)).toEqual([
      ["", "EPERM", "EACCES: no"],
      ["p", "EPERM", "EACCES: no"],
    ]);
    expect(by(3, { errno: "ENOENT", class: "attach", message: "no such name" })).toEqual([]);
    expect(by(22, { class: "object", message: "no such name" })).toEqual([]);
    expect(by(13, { class: "object", message: "no such name" })).toHaveLength(2);
    expect(by(95, { class: "object", message: "no such field" })).toEqual([]);
    expect(by(95, { class: "unsupported", message: "no such member" })).toEqual([]);
    expect(by(95, refused)).toHaveLength(2);
    // libbpf's own: the bytes, their order, a relocation
    for (const errno of [4001, 4003, 4005]) expect(by(errno, { class: "object", message: "no" })).toEqual([]);
    expect(by(4004, { class: "object", message: "no" })).toHaveLength(2);
  });

  test("a program of an object that cannot be opened is refused for that", () => {
    const unopened = { object: "o", opened: false, refused: { class: "object", message: "no" } };
    expect(compare([verdict(theirs({ errno: 22 }, { errno: 22 }))], [verdict(unopened)])).toMatchObject({
      neither: 1,
      differences: [],
    });
    expect(differences(theirs({ errno: 13 }, { errno: 22 }), unopened)).toEqual([["p", "EACCES", "no such program"]]);
    expect(differences(theirs(), unopened)).toEqual([
      ["", "loads", "object: no"],
      ["p", "loads", "no such program"],
    ]);
  });

  test("compares the instructions of what both refuse, where both came so far", () => {
    const one = (instructions: string) =>
      [
        theirs({ errno: 13, instructions }, { errno: 13 }),
        ours({ refused, instructions: "9500000000000000" }, { refused }),
      ] as const;
    expect(differences(...one("9500000000000000"))).toEqual([]);
    expect(differences(...one(""))).toEqual([]);
    expect(differences(...one("b700000000000000"))).toEqual([["p", "instruction 0 of 1", "1 instructions"]]);
  });

  test("says other types, numbers of maps, programs that one has not, and an object left out", () => {
    expect(differences(theirs({ type: 2 }), ours())).toEqual([["p", "2/0/true", "1/0/true"]]);
    expect(differences(theirs({}, { maps: 2 }), ours())).toEqual([["", "2 maps", "1 maps"]]);
    expect(differences(theirs({ name: "q" }), ours())).toHaveLength(2);
    expect(compare([verdict(theirs())], []).differences).toHaveLength(1);
  });

  test("says the first instruction that differs, but not descriptors of maps", () => {
    const exit = "9500000000000000";
    const load = (source: number, fd: string) => `18${source}1${"0000"}${fd}0000000000000000`.padEnd(32, "0");
    const mapLoad = (fd: string) => `${load(1, fd)}${exit}`;
    expect(
      differences(theirs({ instructions: mapLoad("05000000") }), ours({ instructions: mapLoad("09000000") })),
    ).toEqual([]);
    const plain = (value: string) => `${load(0, value)}${exit}`;
    expect(differences(theirs({ instructions: plain("05000000") }), ours({ instructions: plain("09000000") }))).toEqual(
      [["p", "instruction 0 of 3", "3 instructions"]],
    );
  });

  test("a reason holds for what it names only", () => {
    const difference = { object: "fixtures/map_legacy.bpf.o", program: "", libbpf: "EOPNOTSUPP", ours: "loads" };
    expect(reasonOf("6.18", difference)).toBeDefined();
    expect(reasonOf("6.18", { ...difference, object: "libbpf-tools-sid/x.bpf.o" })).toBeUndefined();
  });
});
