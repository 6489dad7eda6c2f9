// hello-ebpf map: maps that somebody else made, held against bpftool.

import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, readdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import {
  type BpfHashMap,
  type BpfLpmTrie,
  type BpfMap,
  BpfObject,
  type BpfPerCpuArray,
  type BpfQueue,
  type BpfSockHash,
  bytesCodec,
  openMapById,
} from "../../src/index.ts";
import { close } from "../../src/sys/libc.ts";
import { fixture, global, idsOf, load, testHere, until } from "./lib-support.ts";
import { make, u32, u64 } from "./maps-support.ts";
import { call } from "./sockets.ts";
import {
  fewerInGuests,
  hello,
  type JsonRecord,
  linesOf,
  readText,
  recordsOf,
  SLOWNESS,
  scratch,
  withCapabilities,
} from "./support.ts";

setDefaultTimeout(20_000 + SLOWNESS * 5_000);

let object: BpfObject;
let others: BpfMap[];
beforeAll(() => {
  object = load("lib_maps", "none");
  const trie = make<BpfLpmTrie<string, bigint>>("LPM_TRIE", {
    name: "routes",
    keySize: 8,
    valueSize: 8,
    maxEntries: 8,
  });
  trie.withCodecs({ value: u64 }).set("10.0.0.0/8", 1n).set("10.1.0.0/16", 2n);
  const queue = make<BpfQueue<number>>("QUEUE", { name: "waiting", valueSize: 4, maxEntries: 8 });
  queue.withCodecs({ value: u32 }).push(7).push(8);
  const twins = [1, 2].map(() => make<BpfMap>("ARRAY", { name: "twin", keySize: 4, valueSize: 4, maxEntries: 1 }));
  others = [trie, queue, ...twins];
});
afterAll(() => {
  object.close();
  for (const map of others) map.close();
});

const map = (...args: string[]) => hello(["map", ...args]);
const bpftoolQuiet = (...args: string[]) => expect(Bun.spawnSync(["bpftool", "map", ...args]).exitCode).toBe(0);
const bpftool = (...args: string[]) => JSON.parse(Bun.spawnSync(["bpftool", "-j", "map", ...args]).stdout.toString());

test("list says of every map what bpftool says", async () => {
  const { status, stdout, stderr } = await map("list", "--output", "jsonl");
  expect([status, stderr]).toEqual([0, ""]);
  const ours = new Map(recordsOf(stdout).map((record) => [record.id, record]));
  for (const { type } of ours.values()) expect(type).toBe("map_info");
  type Shown = {
    id: number;
    name?: string;
    bytes_key: number;
    bytes_value: number;
    max_entries: number;
    flags: number;
  };
  const theirs = (bpftool("show") as Shown[]).filter(({ id }) => ours.has(id));
  expect(theirs.map(({ id }) => id)).toContain(object.map("measures").id);
  for (const { id, name = "", bytes_key, bytes_value, max_entries, flags } of theirs)
    expect(ours.get(id)).toMatchObject({ name, key: bytes_key, value: bytes_value, max_entries, flags });
  const text = linesOf((await map("list")).stdout);
  expect(text).toContain(`${object.map("numbers").id}: HASH numbers key 8 value 8 entries 64`);
});

test("dump shows entries typed by the map's BTF, as bpftool does; by name, number and in text", async () => {
  const measures = object.map("measures") as BpfHashMap;
  const huge = 2n ** 62n + 1n;
  measures.set({ row: 1, column: 2 }, { sum: -5n, count: 3, unit: "ms" });
  measures.set({ row: 3, column: 4 }, { sum: huge, count: 0xffff_ffff, unit: "\u001b[1m" });
  const { status, stdout } = await map("dump", `${measures.id}`, "--output", "jsonl");
  expect(status).toBe(0);
  const entries = recordsOf(stdout).map(({ type, key, value }) => ({ type, key, value }));
  const first = { type: "entry", key: { row: 1, column: 2 }, value: { sum: -5, count: 3, unit: "ms" } };
  const second = {
    ...first,
    key: { row: 3, column: 4 },
    value: { sum: `${huge}`, count: 4294967295, unit: "\u001b[1m" },
  };
  const byRow = (a: { key: unknown }, b: { key: unknown }) =>
    (a.key as { row: number }).row - (b.key as { row: number }).row;
  expect(entries.sort(byRow)).toEqual([first, second]);
  const theirs = (bpftool("dump", "id", `${measures.id}`) as { formatted: { key: unknown; value: unknown } }[])
    .map(({ formatted }) => formatted)
    .sort(byRow);
  expect(theirs.map(({ key }) => key)).toEqual([first.key, second.key]);
  const text = (await map("dump", "measures")).stdout;
  expect(linesOf(text).sort()).toEqual([
    '{"row":1,"column":2}: {"sum":-5,"count":3,"unit":"ms"}',
    `{"row":3,"column":4}: {"sum":"${huge}","count":4294967295,"unit":"\\u001b[1m"}`,
  ]);
});

test("set, get and delete do what they say, in the bytes that bpftool sees", async () => {
  const id = `${object.map("measures").id}`;
  const key = '{"row":9,"column":9}';
  expect(await map("set", id, key, '{"sum":9007199254740993,"count":1,"unit":"s"}')).toMatchObject({
    status: 0,
    stdout: "",
  });
  const bytes = ["key", "hex", ..."09 00 00 00 09 00 00 00".split(" ")];
  const [low] = bpftool("lookup", "id", id, ...bytes).value;
  expect(low).toBe("0x01"); // 2^53 + 1: not rounded
  const got = await map("get", id, key);
  expect(got.stdout).toBe('{"row":9,"column":9}: {"sum":"9007199254740993","count":1,"unit":"s"}\n');
  const refused = await map("set", id, key, '{"sum":1}', "--flags", "noexist");
  expect([refused.status, refused.stdout]).toEqual([1, ""]);
  expect(refused.stderr).toMatch(/^hello-ebpf: Cannot write map measures: .* gave EEXIST: .*\n$/);
  expect((await map("delete", id, key)).status).toBe(0);
  for (const action of ["get", "delete"]) {
    const gone = await map(action, id, key);
    expect([gone.status, gone.stderr]).toEqual([
      1,
      expect.stringMatching(/^hello-ebpf: Cannot find it: map measures has no /),
    ]);
  }
});

testHere("arrays, prefixes, bytes, queues and values of every CPU are read and written as text", async () => {
  const [slots, plain] = [`${object.map("slots").id}`, `${object.map("plain").id}`];
  const byCpu = object.map("by_cpu") as BpfPerCpuArray<number>;
  const cpus = (byCpu.get(0) ?? []).map((_, cpu) => cpu + 5);
  const id = (name: string) => others.find((other) => other.name === name)?.id;
  const script: readonly (readonly [args: string[], stdout: string])[] = [
    [["set", slots, "1", '{"count":7}'], ""],
    [["get", slots, "1"], '1: {"sum":0,"count":7,"unit":""}\n'],
    [["set", `${byCpu.id}`, "0", JSON.stringify(cpus)], ""],
    [["get", `${byCpu.id}`, "0"], `0: ${JSON.stringify(cpus)}\n`],
    [["get", "routes", "10.1.2.3"], "10.1.2.3: 02 00 00 00 00 00 00 00\n"],
    [["set", "routes", "10.2.0.0/16", "0x0102"], ""],
    [["get", "routes", "10.2.2.3"], "10.2.2.3: 02 01 00 00 00 00 00 00\n"],
    [["set", plain, "010203040506", "07 08 09"], ""],
    [["dump", plain], "01 02 03 04 05 06: 07 08 09\n"],
    [["get", `${id("waiting")}`], "07 00 00 00\n"],
    [["set", `${id("waiting")}`, "9"], ""],
    [["delete", `${id("waiting")}`], "07 00 00 00\n"],
  ];
  for (const [args, stdout] of fewerInGuests(script, script.slice(0, 5)))
    expect([args, await map(...args)]).toEqual([args, { status: 0, signal: null, stdout, stderr: "" }]);
  expect(byCpu.get(0)?.sum()).toBe(cpus.reduce((all, one) => all + one, 0));
});

/** That each is answered so, in this order. */
async function expectAnswers(script: readonly (readonly [args: readonly unknown[], stdout: string])[]): Promise<void> {
  for (const [words, stdout] of script) {
    const args = words.map(String);
    expect([args, await map(...args)]).toEqual([args, { status: 0, signal: null, stdout, stderr: "" }]);
  }
}

testHere(
  "what is in a map of maps, programs, cgroups, interfaces, bloom filters and storage is named as it is shown",
  async () => {
    using inner = make<BpfHashMap>("HASH", { keySize: 4, valueSize: 4, maxEntries: 1 });
    const { spec } = inner;
    const four = { keySize: 4, valueSize: 4, maxEntries: 2 };
    using outer = make<BpfMap>("HASH_OF_MAPS", { ...four, innerMap: { ...spec, name: "inner" } });
    using programs = make<BpfMap>("PROG_ARRAY", four);
    using cgroups = make<BpfMap>("CGROUP_ARRAY", four);
    using devices = make<BpfMap>("DEVMAP", four);
    using seen = make<BpfMap>("BLOOM_FILTER", { ...four, keySize: 0 });
    using byCpu = make<BpfPerCpuArray<Uint8Array>>("PERCPU_ARRAY", { ...four, valueSize: 3 });
    const storage = fixture("map_storage", "none");
    for (const name of [...storage.maps.keys()]) if (name !== "TASK_STORAGE") storage.maps.delete(name);
    using tasks = BpfObject.load(storage);
    using loaded = load("map_kinds", "arrive");
    const [program] = idsOf(loaded).programs;
    const every = JSON.stringify((byCpu.get(0) ?? []).map((_, cpu) => `0${cpu}0203`));
    await expectAnswers([
      [["set", outer.id, "1", inner.id], ""],
      [["dump", outer.id], `01 00 00 00: ${inner.id}\n`],
      [["set", programs.id, "1", program], ""],
      [["get", programs.id, "1"], `1: ${program}\n`],
      [["set", devices.id, "1", "lo"], ""],
      [["get", devices.id, "1"], '1: {"ifindex":1}\n'],
      [["set", devices.id, "1", '{"ifindex":1}'], ""],
      [["set", seen.id, "7"], ""],
      [["get", seen.id, "7"], "07 00 00 00: true\n"],
      [["set", byCpu.id, "1", every], ""],
      [["get", byCpu.id, "1"], `1: ${every}\n`],
      [["set", tasks.map("TASK_STORAGE").id, process.pid, '{"number":5,"text":"five"}'], ""],
      [["get", tasks.map("TASK_STORAGE").id, process.pid], `${process.pid}: {"number":5,"text":"five"}\n`],
      [["delete", tasks.map("TASK_STORAGE").id, process.pid], ""],
    ]);
    const pipe = join(scratch(), "pipe");
    expect(Bun.spawnSync(["mkfifo", pipe]).exitCode).toBe(0);
    symlinkSync(`${pipe}.loop`, `${pipe}.loop`);
    const worker = new Worker(new URL("./scripts/produce-worker.ts", import.meta.url)); // a thread that stays
    const isWorker = (id: string) => readText(`/proc/self/task/${id}/comm`) === "Worker\n";
    const threadOf = () => readdirSync("/proc/self/task").find(isWorker);
    await until("there is a thread", () => threadOf() !== undefined);
    const thread = threadOf();
    const wrong = [
      [["set", outer.id, "1", "2147483000"], 1, /Cannot open map 2147483000: .* there is none of that number/],
      [["set", programs.id, "1", "foo"], 2, /Cannot read "foo" as a program/],
      [["set", programs.id, "1", "2147483000"], 1, /Cannot open program 2147483000/],
      [["set", cgroups.id, "1", "/no/such"], 1, /Cannot open \/no\/such: open\(\) gave ENOENT/],
      [["set", cgroups.id, "1", "/etc"], 1, /EBADF: what it was given is no folder of a cgroup v2 file system;/],
      [["set", cgroups.id, "1", pipe], 1, /Cannot write map cgroup_array: .* gave EBADF/], // and does not wait for a writer
      [["set", cgroups.id, "1", "/etc/passwd/x"], 1, /open\(\) gave ENOTDIR: a part of the path is no folder/],
      [["set", cgroups.id, "1", `${pipe}.loop`], 1, /open\(\) gave ELOOP: its links lead in a circle/],
      [["set", cgroups.id, "1", `/${"x".repeat(300)}`], 1, /gave ENAMETOOLONG: the path, or a name in it, is too long/],
      [["set", devices.id, "1", "no_such0"], 2, /there is no interface no_such0/],
      [["set", devices.id, "1", "0"], 2, /Cannot encode 0 as ifindex/],
      [["set", devices.id, "1", "{}"], 2, /Cannot encode an object: ifindex is missing/],
      [["set", devices.id, "1", '{"ifindex":[]}'], 2, /Cannot encode an array of 0 as ifindex: expected an integer/],
      [["delete", devices.id, "0"], 1, /map devmap has no 0/],
      [["get", seen.id, "8"], 1, /map bloom_filter has no 08 00 00 00/],
      [["set", byCpu.id, "1", "5"], 2, /Cannot encode 5: expected an array of/],
      [["set", byCpu.id, "1", "{}"], 2, /Cannot encode an object: expected an array of/],
      [["set", byCpu.id, "1", "[]"], 2, /Cannot encode an array of 0: expected an array of/],
      [["get", tasks.map("TASK_STORAGE").id, "me"], 2, /Cannot read "me" as a process/],
      [["get", tasks.map("TASK_STORAGE").id, "2147483000"], 1, /gave ESRCH: there is none of that number/],
      [
        ["get", tasks.map("TASK_STORAGE").id, `${2 ** 32 + process.pid}`],
        1,
        /gave ESRCH: there is none of that number/,
      ],
      [["get", tasks.map("TASK_STORAGE").id, thread], 1, /pidfd_open\(\) gave E\w+: it is the number of a thread/],
    ] as const;
    for (const [words, status, stderr] of wrong) {
      const run = await map(...words.map(String));
      expect([words, run.status, run.stdout, stderr.test(run.stderr) || run.stderr]).toEqual([words, status, "", true]);
    }
    worker.terminate();
  },
);

testHere("of sockets the keys are shown where values have no room for what the kernel tells of them", async () => {
  using sockets = make<BpfSockHash<Uint8Array>>("SOCKHASH", { keySize: 4, valueSize: 4, maxEntries: 4 });
  const socket = call("socket", 2, 1, 0); // AF_INET, SOCK_STREAM
  try {
    call("listen", socket, 1);
    sockets.set(Uint8Array.of(1, 2, 3, 4), socket);
    await expectAnswers([[["dump", sockets.id], "01 02 03 04: null\n"]]);
    const [record] = recordsOf((await map("dump", `${sockets.id}`, "--output", "jsonl")).stdout);
    expect(record).toMatchObject({ key: "01020304", value: null });
    expect(bpftool("dump", "id", `${sockets.id}`)).toMatchObject([{ key: ["0x01", "0x02", "0x03", "0x04"] }]);
  } finally {
    close(socket);
  }
});

testHere("who may only read a pin can dump and get, and is told why not set", async () => {
  const bpffs = scratch();
  expect(Bun.spawnSync(["mount", "-t", "bpf", "bpf", bpffs]).exitCode).toBe(0);
  try {
    const path = join(bpffs, "queue");
    using queue = make<BpfQueue<number>>("QUEUE", { valueSize: 4, maxEntries: 8 }).withCodecs({ value: u32 });
    queue.push(7).pin(path);
    chmodSync(path, 0o444);
    const CAP_BPF = 39;
    const reader = (...args: string[]) => hello(["map", ...args], { wrapper: withCapabilities([CAP_BPF]) });
    expect(await reader("get", path)).toMatchObject({ status: 0, stdout: "07 00 00 00\n", stderr: "" });
    expect((await reader("dump", path)).status).toBe(4); // opened, and a queue has no entries to list
    const refused = await reader("set", path, "8");
    expect([refused.status, refused.stderr]).toEqual([3, expect.stringContaining("with mode 0444")]);
  } finally {
    Bun.spawnSync(["umount", bpffs]);
  }
});

testHere("the variables of somebody else's object are read by name, and written all at once", async () => {
  using loaded = load("lib_data");
  const { id } = loaded.map(".data");
  const { stdout } = await map("get", `${id}`, "0", "--output", "jsonl");
  const [record] = recordsOf(stdout);
  expect(record).toMatchObject({ key: 0, value: { counter: 40 } });
  const { counter: _, ...others } = (record as JsonRecord).value as { [name: string]: unknown };
  await expectAnswers([[["set", id, "0", JSON.stringify({ ...others, counter: 7 })], ""]]);
  expect(global(loaded, "counter", ".data").value).toBe(7);
  for (const [value, stderr] of [
    ["{}", /is missing/],
    [JSON.stringify({ ...others, counter: 7, more: 1 }), /it has no more/],
    [JSON.stringify({ ...others, counter: "seven" }), /"seven" is not int/],
  ] as const) {
    const run = await map("set", `${id}`, "0", value);
    expect([value, run.status, stderr.test(run.stderr)]).toEqual([value, 2, true]);
  }
  expect(global(loaded, "counter", ".data").value).toBe(7);
});

/** Bytes of keys and values that no value of their type says as they stand, and how they are shown. */
const ODD: readonly (readonly [map: string, key: string, value: string, line: string])[] = [
  ["texts", "61 62 00 78", "61 62 63 64", "ab = 61 62 00 78: abcd"],
  ["texts", "61 62 00 79", "00 00 00 01", "ab = 61 62 00 79:  = 00 00 00 01"],
  ["texts", "ff fe 41 00", "0a 1b 5c 00", "\\xff\\xfeA: \\x0a\\x1b\\\\"],
  ["texts", "22 61 22 00", "31 32 00 00", '"a" = 22 61 22 00: 12'],
  [
    "structs",
    "ff 41 00 00 61 00 62 00",
    "61 00 62 00 63 00 64 00",
    '{"name":"\ufffdA","name_hex":"ff41","names":["a","b"]}: {"name":"a","names":["c","d"]} = 61 00 62 00 63 00 64 00',
  ],
  [
    "structs",
    "61 00 00 00 ff 00 62 00",
    "00 00 00 00 00 00 00 00",
    '{"name":"a","names":["\ufffd","b"]} = 61 00 00 00 ff 00 62 00: {"name":"","names":["",""]}',
  ],
  [
    "holes",
    "01 00 00 00 02 00 00 00",
    "01 ee ee ee 02 00 00 00",
    '{"small":1,"large":2}: {"small":1,"large":2} = 01 ee ee ee 02 00 00 00',
  ],
  [
    "holes",
    "01 ee 00 00 02 00 00 00",
    "00 00 00 00 00 00 00 00",
    '{"small":1,"large":2} = 01 ee 00 00 02 00 00 00: {"small":0,"large":0}',
  ],
  ["bools", "01", "10", "true: true = 10"],
  ["bools", "02", "00", "true = 02: false"],
  ["floats", "00 00 c0 7f", "00 00 00 00 00 00 f0 ff", "NaN: -Infinity"],
  ["floats", "01 00 c0 7f", "00 00 00 00 00 00 00 80", "NaN = 01 00 c0 7f: 0 = 00 00 00 00 00 00 00 80"],
  ["floats", "00 00 80 7f", "00 00 00 00 00 00 f8 3f", "Infinity: 1.5"],
  ["single", "12", "ff", "0x12: 0xff"],
];

testHere("what is shown is taken for the bytes that were read, whatever they are", async () => {
  using odd = load("map_shown");
  const entriesOf = (name: string) => {
    const { id, spec } = odd.map(name);
    using raw = openMapById(id) as BpfHashMap<Uint8Array, Uint8Array>;
    raw.withCodecs({ key: bytesCodec(spec.keySize), value: bytesCodec(spec.valueSize) });
    return new Map(Array.from(raw, ([key, value]) => [key.toHex(), value.toHex()]));
  };
  const write = (id: string, key: string, value: string) =>
    bpftoolQuiet("update", "id", id, "key", "hex", ...key.split(" "), "value", "hex", ...value.split(" "));
  for (const [name, key, value] of ODD) write(`${odd.map(name).id}`, key, value);
  for (const name of new Set(ODD.map(([name]) => name))) {
    const id = `${odd.map(name).id}`;
    const before = entriesOf(name);
    const lines = linesOf((await map("dump", id)).stdout);
    expect(lines.toSorted()).toEqual(
      ODD.filter((row) => row[0] === name)
        .map((row) => row[3])
        .toSorted(),
    );
    const typed = lines.map((line) => line.split(": "));
    for (const record of recordsOf((await map("dump", id, "--output", "jsonl")).stdout))
      typed.push(["key", "value"].map((part) => JSON.stringify(record[`${part}_hex`] ?? record[part])));
    for (const [key = "", value = ""] of typed) {
      const got = await map("get", id, "--", key);
      expect([key, got.status, got.stderr]).toEqual([key, 0, ""]);
      expect(lines).toContain(got.stdout.trimEnd());
      expect([key, await map("delete", id, "--", key)]).toMatchObject([key, { status: 0, stderr: "" }]);
      expect(entriesOf(name).size).toBe(before.size - 1);
      expect([key, value, await map("set", id, "--", key, value)]).toMatchObject([
        key,
        value,
        { status: 0, stderr: "" },
      ]);
      expect(entriesOf(name)).toEqual(before);
    }
  }
});

testHere(
  "bytes of a CPU's value that are no value are shown and taken; digits that are a number are none",
  async () => {
    using odd = load("map_shown");
    const byCpu = odd.map("bools_by_cpu");
    const cpus = (object.map("by_cpu") as BpfPerCpuArray<number>).get(0)?.length ?? 0;
    const bytes = Array.from({ length: cpus }, (_, cpu) => `0${cpu + 2}${" 00".repeat(7)}`).join(" ");
    const shown = `[${Array(cpus).fill(true)}] = ${bytes}`;
    await expectAnswers([
      [["set", byCpu.id, "1", shown], ""],
      [["get", byCpu.id, "1"], `1: ${shown}\n`],
      [["set", odd.map("texts").id, "ab\\x00x", '"\\u0000y"'], ""],
      [["get", odd.map("texts").id, "61620078"], "ab = 61 62 00 78:  = 00 79 00 00\n"],
      [["get", odd.map("texts").id, '"ab\\u0000x"'], "ab\\x00x:  = 00 79 00 00\n"],
      [["set", odd.map("structs").id, '{"name":[255,97,-2,0],"names":["",""]}', '{"name":"ab","name_hex":"fe"}'], ""],
      [
        ["get", odd.map("structs").id, "ff61fe0000000000"],
        '{"name":"\ufffda\ufffd","name_hex":"ff61fe","names":["",""]}: {"name":"\ufffd","name_hex":"fe","names":["",""]}\n',
      ],
    ]);
    for (const [id, key, stderr] of [
      [byCpu.id, "deadbeef", /"deadbeef" is not int unsigned int/],
      [odd.map("bools").id, "10", /10 does not fit/],
      [odd.map("texts").id, "abcde", /5 bytes of text do not fit 4/],
      [odd.map("structs").id, '{"name":"ab","name_hex":"zz "}', /has no member name_hex/],
    ] as const) {
      const run = await map("get", `${id}`, key);
      expect([key, run.status, run.stdout, stderr.test(run.stderr) || run.stderr]).toEqual([key, 2, "", true]);
    }
  },
);

testHere("what cannot be is refused in one line, with its status", async () => {
  const [slots, plain] = [`${object.map("slots").id}`, `${object.map("plain").id}`];
  const wrong: readonly (readonly [args: string[], status: number, stderr: RegExp])[] = [
    [["dump", "no_such_map"], 1, /Cannot find a map named no_such_map/],
    [["dump", "measure"], 1, /Cannot find a map named measure \(close: measures\b/],
    [["dump", "twin"], 1, /Cannot choose a map named twin: there are 2: \d+, \d+; name one by its number/],
    [["dump", "2147483000"], 1, /Cannot find map 2147483000/],
    [["dump", "/etc/passwd"], 1, /Cannot open a map at \/etc\/passwd/],
    [["dump", "waiting"], 4, /Cannot list its entries of map waiting: maps of type QUEUE/],
    [["get", slots, "3"], 1, /Cannot find it: map slots has no 3/],
    [["get", slots], 2, /Expected one word after the map/],
    [["get", plain, "zz"], 2, /Cannot read "zz" as 6 bytes/],
    [["set", slots, "1", '{"count":-1}'], 2, /does not fit/],
    [["get", slots, "abc"], 2, /Cannot read "abc" as an index/],
    [["set", slots, "", "7"], 2, /Cannot read "" as an index/],
    [["get", `${object.map("numbers").id}`, "-1"], 2, /-1 does not fit/],
    [["set", plain, "010203040506", "123456"], 2, /as hexadecimal it is "12 34 56", as a number 0x1e240/],
    [["get", "routes", "10.0.0.1/8"], 2, /bits set behind the first 8/],
    [["look"], 2, /Expected one of list, dump, get, set, delete/],
    [[], 2, /missing required argument/],
  ];
  for (const [args, status, stderr] of fewerInGuests(wrong, wrong.slice(0, 2))) {
    const run = await map(...args);
    expect([args, run.status, run.stdout]).toEqual([args, status, ""]);
    expect(run.stderr).toMatch(stderr);
    expect(linesOf(run.stderr)).toHaveLength(1);
  }
});
