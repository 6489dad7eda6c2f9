// Maps of objects: slots that definitions set, maps that outlive their object by a pin, maps shared between objects,
// and maps that others made, opened by path and number.

import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { MapSpec } from "elf-loader";
import { BPF_MAP_TYPE_DEVMAP } from "elf-loader/uapi";
import {
  BpfArray,
  type BpfError,
  BpfHashMap,
  BpfMap,
  BpfMapOfMaps,
  BpfObject,
  BpfProgArray,
  BpfRuntimeError,
  mapIds,
  openMap,
  openMapById,
  VerifierError,
} from "../../src/index.ts";
import { objPin } from "../../src/sys/bpf.ts";
import { fixture, global, kernelIds, leavesNoDescriptors, load, PACKET, thrownBy } from "./lib-support.ts";
import { SLOWNESS, testHere, userSpace } from "./support.ts";

setDefaultTimeout(10_000 * SLOWNESS);

leavesNoDescriptors();

/** A bpffs of our own. */
const folder = mkdtempSync(join(tmpdir(), "hello-pins-"));
const mounted = Bun.spawnSync(["mount", "-t", "bpf", "bpf", folder]);
afterAll(() => {
  Bun.spawnSync(["umount", folder]);
  rmSync(folder, { recursive: true, force: true });
});

/** The fixture with a folder of pins that is empty at first. */
let folders = 0;
function pins(): string {
  const path = join(folder, `p${folders++}`);
  expect(mounted.stderr.toString()).toBe("");
  mkdirSync(path);
  return path;
}
const open = (pinPath: string, ...programs: string[]) => BpfObject.load(fixture("map_slots", ...programs), { pinPath });

test("slots that a definition sets are set: maps by index and key, programs by index", () => {
  using object = open(pins());
  const ids = ["first", "second"].map((name) => object.map(name).id);
  const [first, second] = ids as [number, number];
  expect(new Map(object.map("by_index", BpfMapOfMaps))).toEqual(
    new Map([
      [1, first],
      [3, second],
    ]),
  );
  expect(new Map(object.map("by_key", BpfMapOfMaps))).toEqual(
    new Map([
      [0, second],
      [2, first],
    ]),
  );
  expect([...object.map("jumps", BpfProgArray).entries()].map(([index]) => index)).toEqual([0, 2]);
  const hop = (to: number) => {
    global(object, "jump").value = to;
    return object.program("hop").testRun(PACKET).retval;
  };
  expect([hop(0), hop(1), hop(2)]).toEqual([7, 1, 8]);
  const jumps = object.map("jumps", BpfProgArray);
  jumps.set(1, object.program("eight")).delete(2);
  expect([hop(1), hop(2)]).toEqual([8, 1]);
});

test("a program counts in an inner map that was put in while it was running, typed by the outer map's definition", () => {
  using object = open(pins(), "count");
  const outer = object.map("by_key", BpfMapOfMaps<number>);
  const count = (key: number) => {
    global(object, "outer_key").value = key;
    return object.program("count").testRun(PACKET).retval;
  };
  expect(count(77)).toBe(2);
  using inner = outer.create("user77") as BpfHashMap<number, bigint>;
  expect(inner).toBeInstanceOf(BpfHashMap);
  outer.set(77, inner);
  expect([count(77), count(77), inner.get(1)]).toEqual([0, 0, 10n]);
  using again = outer.inner(77) as BpfHashMap<number, bigint>;
  expect([again.get(1), again.info().name]).toEqual([10n, "user77"]);
  // Others can type it as well: the kernel was told what its keys and values are.
  const dump = Bun.spawnSync(["bpftool", "-j", "map", "dump", "id", `${inner.id}`]).stdout.toString();
  expect(JSON.parse(dump)).toMatchObject([{ formatted: { key: 1, value: 10 } }]);
});

test("a map pinned by name outlives its object, is found by the next one, and is removed where loading fails", () => {
  const pinPath = pins();
  const id = (() => {
    using object = open(pinPath, "share");
    object.map("shared", BpfHashMap).set(1, 123n);
    return object.map("shared").id;
  })();
  expect(readdirSync(pinPath)).toEqual(["shared"]);
  {
    using object = open(pinPath, "share");
    expect([object.map("shared").id, object.map("shared", BpfHashMap).get(1)]).toEqual([id, 123n]);
    expect(object.program("share").testRun(PACKET).retval).toBe(123);
    using opened = openMap(join(pinPath, "shared")) as BpfHashMap<number, bigint>;
    expect([opened.id, opened.get(1), opened.info().name]).toEqual([id, 123n, "shared"]); // typed by its own BTF
    opened.set(1, 5n);
    expect(object.program("share").testRun(PACKET).retval).toBe(5);
  }
  rmSync(join(pinPath, "shared"));
  const spec = fixture("lib_refused", "unchecked_pointer");
  (spec.maps.values().next().value as { pinning: string }).pinning = "by-name";
  expect(thrownBy(() => BpfObject.load(spec, { pinPath }))).toBeInstanceOf(VerifierError);
  expect(readdirSync(pinPath)).toEqual([]);
});

testHere("of two that pin a map at the same moment both have the one that was first", async () => {
  const turns = new Int32Array(new SharedArrayBuffer(4));
  const folders = Array.from({ length: 40 }, pins);
  const workers = [1, 2].map(() => new Worker(new URL("./scripts/pin-worker.ts", import.meta.url)));
  const [one, other] = await Promise.all(
    workers.map((worker) => {
      worker.postMessage({ folders, turns, threads: workers.length });
      return new Promise<readonly number[]>((resolve, reject) => {
        worker.onmessage = ({ data }) => resolve(data);
        worker.onerror = ({ message }) => reject(new Error(message));
      });
    }),
  );
  for (const worker of workers) worker.terminate();
  expect(one).toHaveLength(folders.length);
  expect(one).toEqual(other as readonly number[]);
});

test("a map that differs is not used instead, whether pinned or given", () => {
  const pinPath = pins();
  using object = open(pinPath, "share");
  const differing: readonly (readonly [change: Partial<MapSpec>, likely: string])[] = [
    [{ maxEntries: 9, valueSize: 4 }, "value size 8, not 4, entries 8, not 9"],
    [{ type: 9 }, "type 1, not 9"],
    [{ keySize: 8 }, "key size 4, not 8"],
    [{ flags: 1 }, "flags 0, not 1"],
    [{ mapExtra: 5n }, "extra 0, not 5"],
  ];
  for (const [change, likely] of differing) {
    const other = fixture("map_slots", "share");
    Object.assign(other.maps.get("shared") as MapSpec, change);
    for (const options of [{ pinPath }, { pinPath: pins(), reuse: { shared: object.map("shared") } }]) {
      const error = thrownBy(() => BpfObject.load(other, options)) as BpfError;
      expect(error).toBeInstanceOf(BpfRuntimeError);
      expect(error.likely).toBe(`it differs: ${likely}`);
    }
  }
  // What the kernel adds to the flags by itself makes it no other map.
  const spec = fixture("map_slots", "none");
  const ports = { ...(spec.maps.get("shared") as MapSpec), type: BPF_MAP_TYPE_DEVMAP, valueSize: 4, name: "ports" };
  for (const name of [...spec.maps.keys()]) spec.maps.delete(name);
  spec.maps.set("ports", ports);
  for (let round = 0; round < 2; round++) {
    using loaded = BpfObject.load(spec, { pinPath });
    expect(loaded.map("ports").info().type).toBe(BPF_MAP_TYPE_DEVMAP);
  }
});

test("objects share a map that is given, which stays its owner's", () => {
  using owner = open(pins(), "share");
  const map = owner.map("shared", BpfHashMap<number, bigint>);
  map.set(1, 42n);
  {
    using user = BpfObject.load(fixture("map_slots", "share"), { pinPath: pins(), reuse: { shared: map } });
    expect([user.map("shared").id, user.program("share").testRun(PACKET).retval]).toEqual([map.id, 42]);
  }
  expect(map.get(1)).toBe(42n);
});

testHere("a map given under a name that the object has not is refused, with the names that are near", () => {
  using object = open(pins(), "share");
  const pinPath = pins();
  const given = (name: string) => () =>
    BpfObject.load(fixture("map_slots", "share"), { pinPath, reuse: { [name]: object.map("shared") } });
  const error = thrownBy(given("shard")) as BpfError;
  expect(error).toBeInstanceOf(BpfRuntimeError);
  expect(error.message).toBe("Cannot use the map given as shard: object map_slots has no map shard (close: shared)");
  expect((thrownBy(given("nothing_like_it")) as BpfError).message).toEndWith("has no map nothing_like_it");
  expect(readdirSync(pinPath)).toEqual([]);
});

test("any map is pinned, found, and refused with a reason", () => {
  using object = load("lib_maps", "none");
  const map = object.map("measures", BpfHashMap);
  const path = join(pins(), "measures");
  map.set({ row: 1, column: 2 }, { sum: 3n, count: 4, unit: "ms" });
  map.pin(path);
  expect(existsSync(path)).toBe(true);
  {
    using opened = openMap(path) as BpfHashMap;
    expect([...opened]).toEqual([
      [
        { row: 1, column: 2 },
        { sum: 3n, count: 4, unit: "ms" },
      ],
    ]);
    expect({ ...opened.info(), name: "" }).toEqual({ ...map.info(), name: "" });
  }
  const errors = [
    () => map.pin(path),
    () => map.pin(join(folder, "no/such")),
    () => map.pin(join(tmpdir(), "not-a-bpffs")),
    () => openMap(join(folder, "nothing")),
    () => openMap("/etc/passwd"),
  ].map((action) => thrownBy(action) as BpfError);
  for (const error of errors) {
    expect(error.message).not.toContain("\n");
    expect([typeof error.likely, typeof error.action]).toEqual(["string", "string"]);
  }
  expect(errors.map(({ errno }) => errno)).toEqual([
    "EEXIST",
    "ENOENT",
    expect.any(String),
    "ENOENT",
    expect.any(String),
  ]);
  expect(errors[2]?.action).toStartWith(
    "use a path below /sys/fs/bpf, or mount one on an empty folder: mount -t bpf bpf ",
  );
  userSpace(() => {
    const reasons = [
      () => map.pin(join(folder, "a.b")),
      () => openMap(join(folder, "a.b")),
      () => openMap(folder),
      () => openMap("/etc/passwd"),
    ].map((action) => (thrownBy(action) as BpfError).likely);
    const [dot, file] = ["a name in a bpffs has no dot", expect.stringContaining("it is a file of another kind")];
    expect(reasons).toEqual([dot, dot, "it is a folder", file]);
  });
  const BPF_F_RDONLY = 8;
  using readable = openMap(path, BPF_F_RDONLY) as BpfHashMap;
  expect(readable.has({ row: 1, column: 2 })).toBe(true);
  const [BPF_F_WRONLY, key] = [16, { row: 1, column: 2 }];
  using writable = openMap(path, BPF_F_WRONLY) as BpfHashMap;
  writable.delete(key);
  for (const [action, what] of [
    [() => readable.clear(), "reading"],
    [() => writable.has(key), "writing"],
  ] as const) {
    const { errno, likely } = thrownBy(action) as BpfError;
    expect([errno, likely]).toEqual(["EPERM", `it was opened for ${what} only`]);
  }
  rmSync(path);
});

testHere("a program or a link that is pinned is no map", () => {
  const pinPath = pins();
  using object = load("hooks_kernel", "on_raw_tracepoint");
  const [program, link] = [join(pinPath, "program"), join(pinPath, "link")];
  expect(objPin(object.program("on_raw_tracepoint").fd.number, program)).toBe(0);
  using attached = object.program("on_raw_tracepoint").attach();
  attached.pin(link);
  for (const [path, what] of [
    [program, "a program"],
    [link, "a link"],
  ] as const) {
    const error = thrownBy(() => openMap(path)) as BpfError;
    expect([error.message, error.likely]).toEqual([`Cannot open a map at ${path}`, `it is ${what}`]);
  }
});

test("maps are listed and opened by their numbers", () => {
  using object = load("lib_maps", "none");
  const ids = [...mapIds()];
  expect(ids).toEqual([...kernelIds("maps")].sort((a, b) => a - b));
  const map = object.map("numbers", BpfHashMap<bigint, bigint>);
  map.set(1n, 2n);
  expect(ids).toContain(map.id);
  using opened = openMapById(map.id) as BpfHashMap<bigint, bigint>;
  expect([opened instanceof BpfHashMap, opened.name, opened.get(1n)]).toEqual([true, "numbers", 2n]);
  expect(openMapById(2 ** 31 - 2)).toBeUndefined();
});

test("maps of the old kind work, untyped", () => {
  using object = load("map_legacy");
  const slots = object.map("old_slots", BpfArray);
  const counts = object.map("old_counts", BpfHashMap<Uint8Array, Uint8Array>);
  slots.setBytes(2, Uint8Array.of(20, 0, 0, 0));
  expect(object.program("use").testRun(PACKET).retval).toBe(20);
  counts.set(Uint8Array.of(1, 0, 0, 0), new Uint8Array(8));
  expect(object.program("use").testRun(PACKET).retval).toBe(21);
});

test("a map is asked for by its class, and another is refused by name", () => {
  using object = load("lib_maps", "none");
  expect(object.map("numbers", BpfMap)).toBe(object.map("numbers", BpfHashMap));
  expect(() => object.map("numbers", BpfArray)).toThrow("it is of type HASH");
});
