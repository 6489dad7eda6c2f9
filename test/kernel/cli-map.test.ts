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
