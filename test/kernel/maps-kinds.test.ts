// The map types that are no tables, each by what it is for.

import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { closeSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assemble, type MapSpec } from "elf-loader";
import {
  BPF_ALU64,
  BPF_EXIT,
  BPF_F_MMAPABLE,
  BPF_F_SEGV_ON_FAULT,
  BPF_JEQ,
  BPF_JMP,
  BPF_K,
  BPF_MOV,
  BPF_PROG_TYPE_SOCKET_FILTER,
} from "elf-loader/uapi";
import { possibleCpuCount } from "../../src/host/cpus.ts";
import {
  type BpfArena,
  type BpfArrayOfMaps,
  type BpfBloomFilter,
  type BpfCgroupArray,
  BpfCgroupStorage,
  type BpfCpuMap,
  type BpfDevMap,
  BpfError,
  BpfHashMap,
  type BpfInstructionArray,
  BpfLocalStorage,
  type BpfMapOfMaps,
  BpfObject,
  BpfPerCpuArray,
  BpfPerCpuCgroupStorage,
  BpfPerCpuHashMap,
  type BpfProgArray,
  BpfQueue,
  type BpfReuseportArray,
  type BpfSockHash,
  type BpfSockMap,
  BpfStackTrace,
  type BpfXskMap,
  openMap,
  type PerCpuValues,
} from "../../src/index.ts";
import { handmadeProgram, mapCreate, objPin, progLoad } from "../../src/sys/bpf.ts";
import { Fd } from "../../src/sys/fd.ts";
import { addressOf, syscall } from "../../src/sys/libc.ts";
import { SYSCALL_NUMBERS } from "../../src/sys/syscall-numbers.ts";
import { fixture, global, idsOf, leavesNoDescriptors, load, PACKET, runOn, thrownBy, until } from "./lib-support.ts";
import { has, isSince, lacks, make, rowOf, u32, u64 } from "./maps-support.ts";
import { EXECUTABLE, GUEST, KERNEL, SLOWNESS, testHere, userSpace } from "./support.ts";

setDefaultTimeout(10_000 * SLOWNESS);

leavesNoDescriptors();

const folder = mkdtempSync(join(tmpdir(), "hello-maps-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const errnoOf = (action: () => unknown) => (thrownBy(action) as BpfError).errno;
const call = (name: string, ...args: (number | NodeJS.TypedArray)[]): number => {
  const [a = 0, b = 0, c = 0, d = 0, e = 0] = args;
  const result = syscall(SYSCALL_NUMBERS.get(name) ?? -1, a, b, c, d, addressOf(e));
  if (result < 0) throw new Error(`${name} gave ${result}`);
  return result;
};

for (const type of ["QUEUE", "STACK"])
  test(`${type}: values come out in its order, and no more go in than there is room`, () => {
    using map = make<BpfQueue<number>>(type, { valueSize: 4, maxEntries: 5 }).withCodecs({ value: u32 });
    const queue = type === "QUEUE";
    expect([map.pop(), map.peek()]).toEqual([undefined, undefined]);
    for (const value of [1, 2, 3, 4, 5]) map.push(value);
    expect(errnoOf(() => map.push(6))).toBe("E2BIG");
    expect([map.peek(), map.peek(), map.pop()]).toEqual(queue ? [1, 1, 1] : [5, 5, 5]);
    map.push(7);
    map.push(8, 2); // BPF_EXIST: the oldest goes
    expect([...map.popAll()]).toEqual(queue ? [3, 4, 5, 7, 8] : [8, 7, 4, 3, 2]);
    expect([...map.popAll()]).toEqual([]);
    // Whoever pushes all the time: as many come out as there is room for, and no more.
    map.push(1);
    let taken = 0;
    for (const value of map.popAll()) {
      map.push(value);
      if (++taken > 5) break;
    }
    expect([taken, [...map.popAll()]]).toEqual([5, [1]]);
    expect(errnoOf(() => map.push(1, 0x80))).toBe("EINVAL");
    map.push(1).freeze();
    expect(errnoOf(() => map.push(2))).toBe("EPERM");
    expect(map.peek()).toBe(1);
  });

test("QUEUE: what a program pushes comes out in order, typed, and what does not fit it is told", () => {
  using object = load("map_kinds", "arrive");
  const runs = Array.from({ length: 10 }, () => object.program("arrive").testRun(PACKET).retval);
  expect(runs).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
  expect([...object.map("arrivals", BpfQueue).popAll()]).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
});

test.skipIf(lacks("BLOOM_FILTER"))("BLOOM_FILTER: never forgets, and takes as many for known as it should", () => {
  // Numbers at which the kernel's integers, and no others, come to a power of two less or more.
  const here = [
    [1, 733],
    [1, 735],
    [3, 244],
    [8, 91],
    [8, 92],
    [5, 1000],
  ] as const;
  for (const [hashes, entries] of GUEST ? here.slice(2, 3) : here) {
    using map = make<BpfBloomFilter<number>>("BLOOM_FILTER", {
      ...{ valueSize: 4, maxEntries: entries, mapExtra: BigInt(hashes) },
    }).withCodecs({ value: u32 });
    expect([map.hashes, map.mightHave(1)]).toEqual([hashes, false]);
    for (let i = 0; i < entries; i++) map.add(i);
    for (let i = 0; i < entries; i++) expect(map.mightHave(i)).toBe(true);
    const asked = GUEST ? 4000 : 40_000;
    let known = 0;
    for (let i = 0; i < asked; i++) if (map.mightHave(1_000_000 + i)) known++;
    const rate = map.falsePositiveRate(entries);
    // Bits set are themselves random: five standard deviations, and a tenth of the rate for what the formula leaves out.
    expect(Math.abs(known - rate * asked)).toBeLessThan(5 * Math.sqrt(asked * rate) + 0.1 * rate * asked);
  }
  using byDefault = make<BpfBloomFilter>("BLOOM_FILTER", { valueSize: 4, maxEntries: 1 });
  expect([byDefault.hashes, byDefault.bits]).toEqual([5, 64]);
  expect(thrownBy(() => byDefault.add(new Uint8Array(3)))).toBeInstanceOf(TypeError);
});

const INNER = { name: "inner", type: rowOf("HASH").type, keySize: 4, valueSize: 8, maxEntries: 4, flags: 0 };
const template = { ...INNER, mapExtra: 0n, pinning: "none" as const, keyTypeId: 0, valueTypeId: 0, frozen: false };
const typed = (map: unknown) => (map as BpfHashMap<number, bigint>).withCodecs({ key: u32, value: u64 });

for (const type of ["ARRAY_OF_MAPS", "HASH_OF_MAPS"])
  test(`${type}: maps are made, put in, found by number and taken out`, () => {
    using outer = make<BpfMapOfMaps<number>>(type, { keySize: 4, valueSize: 4, maxEntries: 3, innerMap: template });
    outer.withCodecs({ key: u32 });
    using first = typed(outer.create("one"));
    using second = typed(outer.create());
    first.set(1, 11n);
    outer.set(0, first).set(2, second);
    expect([outer.get(0), outer.get(1), outer.get(2)]).toEqual([first.id, undefined, second.id]);
    expect(new Map(outer)).toEqual(
      new Map([
        [0, first.id],
        [2, second.id],
      ]),
    );
    second.set(2, 22n);
    {
      using again = typed(outer.inner(2));
      expect([again.get(2), again.id, again.info().name]).toEqual([22n, second.id, "inner"]);
    }
    expect(outer.inner(1)).toBeUndefined();
    first.close();
    {
      using kept = typed(outer.inner(0)); // by the outer map alone
      expect(kept.get(1)).toBe(11n);
    }
    expect([outer.delete(0), outer.delete(0), outer.get(0)]).toEqual([true, false, undefined]);
    using other = make<BpfHashMap>("HASH", { keySize: 4, valueSize: 4, maxEntries: 4 });
    expect(errnoOf(() => outer.set(1, other))).toBe("EINVAL");
    expect(errnoOf(() => outer.set(1, 999_999))).toBe("EBADF");
  });

test("ARRAY_OF_MAPS: beyond the end there is nothing", () => {
  using outer = make<BpfArrayOfMaps>("ARRAY_OF_MAPS", { keySize: 4, valueSize: 4, maxEntries: 3, innerMap: template });
  using inner = outer.create();
  expect(errnoOf(() => outer.set(3, inner))).toBe("E2BIG");
  expect([outer.get(3), outer.get(-1)]).toEqual([undefined, undefined]);
  expect([outer.delete(3), outer.delete(-1), outer.set(1, inner).deleteMany([0, 1, 2, 3])]).toEqual([false, false, 1]);
});

test("PROG_ARRAY: programs by index, their numbers back", () => {
  using object = load("map_kinds", "arrive");
  using map = make<BpfProgArray>("PROG_ARRAY", { keySize: 4, valueSize: 4, maxEntries: 3 });
  map.set(1, object.program("arrive"));
  const [id] = [...map.entries()].map(([, number]) => number);
  expect([map.get(0), map.get(1), map.get(3)]).toEqual([undefined, id, undefined]);
  expect(id).toBeGreaterThan(0);
  expect([map.delete(1), map.delete(1), map.get(1)]).toEqual([true, false, undefined]);
  expect(errnoOf(() => map.set(3, object.program("arrive")))).toBe("E2BIG");
  expect(errnoOf(() => map.set(0, object.map("arrivals")))).toMatch(/^E(INVAL|BADF)$/);
});

test("STACK_TRACE: a stack by its number, with the functions' names", () => {
  using object = load("map_kinds", "take_stack");
  expect(runOn(object.program("take_stack"), 0)).toBe(0);
  const id = Number(global(object, "stack").value);
  expect(id).toBeGreaterThanOrEqual(0);
  const map = object.map("stacks", BpfStackTrace);
  const addresses = map.get(id) as bigint[];
  expect(addresses.length).toBeGreaterThan(2);
  for (const address of addresses) expect(address).toBeGreaterThan(2n ** 47n);
  const names = map.symbols(id)?.map(({ name }) => name) ?? [];
  // Whoever is root and not under kptr_restrict 2 is told.
  expect(names.some((name) => name?.includes("bpf"))).toBe(true);
  // Asked for on another CPU it is run from an interrupt: another stack.
  const ids = new Set([id]);
  for (let run = 0; ids.size < 2 && run < 100; run++) {
    runOn(object.program("take_stack"), run % possibleCpuCount());
    const other = Number(global(object, "stack").value);
    if (other >= 0) ids.add(other); // else its place is another's (EEXIST)
  }
  expect(ids.size).toBeGreaterThan(1);
  expect(new Set(map.ids())).toEqual(ids);
  expect([...map.entries()].map(([key, stack]) => [key, stack.length > 2])).toEqual(
    [...map.ids()].map((key) => [key, true]),
  );
  expect([
    map.get([0, 1, 2, 3, 4, 5].find((other) => !ids.has(other)) ?? 6),
    map.delete(id),
    map.delete(id),
    map.get(id),
  ]).toEqual([undefined, true, false, undefined]);
});

test.skipIf(lacks("INSN_ARRAY"))("INSN_ARRAY: says where the verifier has put the instructions of a program", () => {
  using map = make<BpfInstructionArray>("INSN_ARRAY", { keySize: 4, valueSize: 16, maxEntries: 3 });
  map.set(0, 2).set(1, 3);
  expect(map.get(1)).toEqual({ original: 3, translated: 0, jitted: 0 });
  expect([map.get(3), errnoOf(() => map.set(3, 0))]).toEqual([undefined, "E2BIG"]);
  map.freeze();
  expect(errnoOf(() => map.set(2, 0))).toBe("EPERM");
  const insns = assemble([
    { code: BPF_ALU64 | BPF_MOV | BPF_K, imm: 0 },
    { code: BPF_JMP | BPF_JEQ | BPF_K, imm: 0, off: 1 },
    { code: BPF_ALU64 | BPF_MOV | BPF_K, imm: 5 }, // never reached
    { code: BPF_JMP | BPF_EXIT },
  ]);
  const maps = { fd_array: new Int32Array([map.fd.number]), fd_array_cnt: 1 };
  using program = new Fd(progLoad(handmadeProgram(BPF_PROG_TYPE_SOCKET_FILTER, insns, maps)));
  expect(program.number).toBeGreaterThan(0);
  expect([map.get(0)?.translated, map.get(1)?.translated]).toEqual([undefined, 1]);
  expect(map.get(1)?.jitted).toBeGreaterThan(0);
});

const [SOL_XDP, XDP_RX_RING] = [283, 2];
const [AF_INET, AF_XDP, SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, SOL_SOCKET, SO_COOKIE, SO_REUSEPORT] = [
  2, 44, 1, 2, 3, 1, 57, 15,
];

/** A listening TCP socket, and its cookie as the socket itself tells it. */
function listening(): { fd: number; cookie: bigint; [Symbol.dispose](): void } {
  const fd = call("socket", AF_INET, SOCK_STREAM, 0);
  call("setsockopt", fd, SOL_SOCKET, SO_REUSEPORT, new Uint32Array([1]), 4);
  call("listen", fd, 1);
  const cookie = new BigUint64Array(1);
  call("getsockopt", fd, SOL_SOCKET, SO_COOKIE, cookie, new Uint32Array([8]));
  return { fd, cookie: cookie[0] as bigint, [Symbol.dispose]: () => closeSync(fd) };
}

for (const type of ["SOCKMAP", "REUSEPORT_SOCKARRAY"])
  test.skipIf(lacks(type))(`${type}: sockets by index, their cookies back, and gone when they are closed`, () => {
    using map = make<BpfSockMap | BpfReuseportArray>(type, { keySize: 4, valueSize: 8, maxEntries: 2 });
    const socket = listening();
    map.set(1, socket.fd);
    expect([...map.entries()]).toEqual([[1, socket.cookie]]);
    expect([map.get(0), map.get(1), map.get(2)]).toEqual([undefined, socket.cookie, undefined]);
    {
      using other = listening();
      map.set(0, other.fd);
      expect([map.delete(0), map.delete(0), map.delete(2)]).toEqual([true, false, false]);
    }
    socket[Symbol.dispose]();
    expect(map.get(1)).toBeUndefined();
    expect(
      errnoOf(() =>
        map.set(
          0,
          openFile(() => {}),
        ),
      ),
    ).toMatch(/^E(NOTSOCK|BADF)$/);
    using socket2 = listening();
    expect(errnoOf(() => map.set(2, socket2.fd))).toBe("E2BIG");
  });

function openFile(use: (fd: number) => void): number {
  const fd = openSync("/dev/null", "r");
  use(fd);
  closeSync(fd);
  return fd;
}

test("SOCKHASH: sockets by key", () => {
  using map = make<BpfSockHash<number>>("SOCKHASH", { keySize: 4, valueSize: 8, maxEntries: 4 }).withCodecs({
    key: u32,
  });
  using first = listening();
  using second = listening();
  map.set(100, first.fd).set(200, second.fd);
  expect([map.get(100), map.get(200), map.get(1)]).toEqual([first.cookie, second.cookie, undefined]);
  expect([...map.keys()].sort()).toEqual([100, 200]);
  expect(new Map(map.entries())).toEqual(
    new Map([
      [100, first.cookie],
      [200, second.cookie],
    ]),
  );
  expect([map.delete(100), map.delete(100), [...map.keys()]]).toEqual([true, false, [200]]);
  using small = make<BpfSockHash<number>>("SOCKHASH", { keySize: 4, valueSize: 4, maxEntries: 4 }).withCodecs({
    key: u32,
  });
  small.set(1, first.fd);
  expect(errnoOf(() => small.get(1))).toBe("ENOSPC");
  expect([...small.entries()]).toEqual([[1, null]]);
});

testHere("SOCKHASH: a walk hands out no key twice where those ahead of it go", () => {
  using map = make<BpfSockHash<number>>("SOCKHASH", { keySize: 4, valueSize: 8, maxEntries: 128 }).withCodecs({
    key: u32,
  });
  const sockets = Array.from({ length: 100 }, listening);
  for (const [key, { fd }] of sockets.entries()) map.set(key, fd);
  const order = [...map.keys()];
  const seen: number[] = [];
  for (const key of map.keys()) {
    seen.push(key);
    if (seen.length === 60) for (const ahead of order.slice(60, 62)) map.delete(ahead);
  }
  for (const socket of sockets) socket[Symbol.dispose]();
  expect(order).toHaveLength(100);
  expect(seen.length).toBeGreaterThanOrEqual(98);
  expect(new Set(seen).size).toBe(seen.length);
});

test("XSKMAP: takes AF_XDP sockets and no others", () => {
  using map = make<BpfXskMap>("XSKMAP", { keySize: 4, valueSize: 4, maxEntries: 2 });
  const fd = call("socket", AF_XDP, SOCK_RAW, 0);
  call("setsockopt", fd, SOL_XDP, XDP_RX_RING, new Uint32Array([64]), 4); // since 7 only with a ring to receive by
  map.set(1, fd);
  expect([map.delete(1), map.delete(2), map.delete(-1)]).toEqual([true, false, false]);
  closeSync(fd);
  using other = listening();
  expect(errnoOf(() => map.set(1, other.fd))).toMatch(/^E(NOPROTOOPT|INVAL|OPNOTSUPP)$/);
});

const LOOPBACK = 1;

test("DEVMAP and CPUMAP: where packets go, by index, read back as they were set", () => {
  for (const valueSize of [4, 8]) {
    using devices = make<BpfDevMap>("DEVMAP", { keySize: 4, valueSize, maxEntries: 3 });
    devices.set(1, LOOPBACK);
    expect([devices.get(0), devices.get(1), devices.get(3)]).toEqual([undefined, { ifindex: LOOPBACK }, undefined]);
    expect([...devices]).toEqual([[1, { ifindex: LOOPBACK }]]);
    expect(devices.has(0)).toBe(false);
    devices.set(0, { ifindex: LOOPBACK }).delete(1);
    expect([...devices.keys()]).toEqual([0]);
    expect(errnoOf(() => devices.set(3, LOOPBACK))).toBe("E2BIG");
    expect(errnoOf(() => devices.set(0, 999_999))).toMatch(/^E(INVAL|NODEV)$/);
    expect([devices.delete(0), devices.delete(0), devices.delete(9)]).toEqual([true, false, false]);
    if (valueSize === 4) expect(thrownBy(() => devices.set(0, { ifindex: 1, program: 3 }))).toBeInstanceOf(TypeError);
    using cpus = make<BpfCpuMap>("CPUMAP", { keySize: 4, valueSize, maxEntries: 1 });
    cpus.set(0, { queueSize: 192 });
    expect([...cpus]).toEqual([[0, { queueSize: 192 }]]);
    expect(errnoOf(() => cpus.set(0, 1_000_000))).toBe("EOVERFLOW");
    expect([cpus.deleteMany([0, 0, 5]), cpus.get(0), cpus.delete(0)]).toEqual([1, undefined, false]);
  }
});

testHere("DEVMAP and CPUMAP: what is no target is refused, and leaves the slot as it was", () => {
  using devices = make<BpfDevMap>("DEVMAP", { keySize: 4, valueSize: 4, maxEntries: 1 }).set(0, LOOPBACK);
  using cpus = make<BpfCpuMap>("CPUMAP", { keySize: 4, valueSize: 4, maxEntries: 1 }).set(0, 64);
  for (const wrong of [{ ifidx: 1 }, { qsize: 64 }, {}, "lo", 0, -1, 0.5, 2 ** 32, Number.NaN, null, undefined])
    for (const map of [devices, cpus])
      expect([wrong, thrownBy(() => map.set(0, wrong as never)) instanceof TypeError]).toEqual([wrong, true]);
  expect([devices.get(0), cpus.get(0)]).toEqual([{ ifindex: LOOPBACK }, { queueSize: 64 }]);
});

testHere("what is no descriptor is refused: it would be that of standard input", () => {
  using outer = make<BpfMapOfMaps<number>>("ARRAY_OF_MAPS", {
    ...{ keySize: 4, valueSize: 4, maxEntries: 1, innerMap: template },
  });
  using programs = make<BpfProgArray>("PROG_ARRAY", { keySize: 4, valueSize: 4, maxEntries: 1 });
  for (const wrong of [{}, Number.NaN, 0.5, 2 ** 32, "foo", null, undefined])
    for (const map of [outer, programs]) {
      const error = thrownBy(() => map.set(0, wrong as never)) as Error;
      expect([wrong, error instanceof TypeError, error.message]).toEqual([
        ...[wrong, true],
        expect.stringMatching(/^Cannot use .* as a descriptor: /),
      ]);
    }
});

test("DEVMAP and CPUMAP: a program goes in by descriptor and comes out by number", () => {
  using object = load("map_redirect", "at_device", "at_cpu");
  const [device, cpu] = idsOf(object).programs;
  using devices = make<BpfDevMap>("DEVMAP_HASH", { keySize: 4, valueSize: 8, maxEntries: 3 });
  devices.set(70, { ifindex: LOOPBACK, program: object.program("at_device") });
  expect(devices.get(70)).toEqual({ ifindex: LOOPBACK, programId: device as number });
  using cpus = make<BpfCpuMap>("CPUMAP", { keySize: 4, valueSize: 8, maxEntries: 1 });
  cpus.set(0, { queueSize: 64, program: object.program("at_cpu") });
  expect(cpus.get(0)).toEqual({ queueSize: 64, programId: cpu as number });
  expect(errnoOf(() => devices.set(1, { ifindex: LOOPBACK, program: object.program("at_cpu") }))).toBe("EINVAL");
});

test("CGROUP_STORAGE: what a program keeps for the cgroup that it is attached to", () => {
  using object = load("map_redirect", "egress");
  const [all, byCpu] = [
    object.map("packets", BpfCgroupStorage<{ attach_type: number }, bigint>),
    object.map("packets_by_cpu", BpfPerCpuCgroupStorage<{ attach_type: number }, PerCpuValues<bigint>>),
  ];
  expect([[...all], [...byCpu]]).toEqual([[], []]);
  withCgroup((fd) => {
    using _link = object.program("egress").attach({ fd });
    const sender = call("socket", AF_INET, SOCK_DGRAM, 0);
    const address = new Uint8Array([AF_INET, 0, 0, 9, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    for (let i = 0; i < 5; i++)
      syscall(SYSCALL_NUMBERS.get("sendto") ?? -1, sender, address, 4, 0, addressOf(address), 16);
    closeSync(sender);
    const [[key, count] = []] = [...all];
    const [[, counts] = []] = [...byCpu];
    expect(count).toBeGreaterThanOrEqual(5n);
    expect(counts?.sum()).toBeGreaterThanOrEqual(count as bigint); // read later, and others may send meanwhile
    if (key === undefined || count === undefined) throw new Error("no entry");
    expect(all.get(key)).toBe(count);
    all.set(key, 0n);
    expect(all.get(key)).toBeLessThan(count);
  });
  expect([...all].length).toBe(1); // kept for the next program there, as long as the map
});

/** A folder of a cgroup v2 hierarchy, mounted for the while. */
function withCgroup(use: (fd: number) => void): void {
  const mount = join(folder, "cgroup");
  const made = Bun.spawnSync(["sh", "-c", `mkdir -p ${mount} && mount -t cgroup2 none ${mount}`]);
  expect(made.stderr.toString()).toBe("");
  const fd = openSync(mount, "r");
  try {
    use(fd);
  } finally {
    closeSync(fd);
    Bun.spawnSync(["umount", mount]);
  }
}

test("CGROUP_ARRAY: takes cgroups and nothing else", () => {
  using map = make<BpfCgroupArray>("CGROUP_ARRAY", { keySize: 4, valueSize: 4, maxEntries: 2 });
  withCgroup((fd) => {
    map.set(1, fd);
    expect([map.delete(1), map.delete(1)]).toEqual([true, false]);
    expect(errnoOf(() => map.set(2, fd))).toBe("E2BIG");
  });
  using socket = listening();
  const likely = "what it was given is no folder of a cgroup v2 file system";
  expect(thrownBy(() => map.set(0, socket.fd))).toMatchObject({ errno: "EBADF", likely });
});

const PIDFD_SELF = () => call("pidfd_open", process.pid, 0);
const OBJECTS: readonly { type: string; name: string; with: (use: (fd: number) => void) => void }[] = [
  { type: "SK_STORAGE", name: "SK_STORAGE", with: (use) => used(call("socket", AF_INET, SOCK_DGRAM, 0), use) },
  { type: "INODE_STORAGE", name: "INODE_STORAGE", with: (use) => used(openSync(join(folder, "file"), "w"), use) },
  { type: "TASK_STORAGE", name: "TASK_STORAGE", with: (use) => used(PIDFD_SELF(), use) },
  { type: "CGRP_STORAGE", name: "CGRP_STORAGE_", with: withCgroup },
];
function used(fd: number, use: (fd: number) => void): void {
  try {
    use(fd);
  } finally {
    closeSync(fd);
  }
}

/** Whether bpf is among the security modules that run. */
function lsmIsBpf(): boolean {
  const script = `mkdir -p ${folder}/s && mount -t securityfs none ${folder}/s && cat ${folder}/s/lsm; umount ${folder}/s`;
  return Bun.spawnSync(["sh", "-c", script]).stdout.toString().split(",").includes("bpf");
}

for (const { type, name, with: withObject } of OBJECTS)
  test.skipIf(lacks(type))(`${type}: one value an object, by its descriptor, typed`, () => {
    const spec = fixture("map_storage", "none");
    for (const other of [...spec.maps.keys()]) if (other !== name) spec.maps.delete(other);
    using object = BpfObject.load(spec);
    const map = object.map(name, BpfLocalStorage);
    withObject((fd) => {
      expect([map.get(fd), map.delete(fd)]).toEqual([undefined, false]);
      if (type === "INODE_STORAGE" && !lsmIsBpf()) {
        const error = thrownBy(() => map.set(fd, { number: 5 })); // inodes have room for it only then
        expect(error).toMatchObject({
          errno: "EBADF",
          likely: expect.stringContaining("bpf is none of the security modules"),
        });
        return;
      }
      map.set(fd, { number: 5, text: "five" }).set(fd, { number: 6, text: "six" });
      expect(map.get(fd)).toEqual({ number: 6, text: "six" });
      expect(errnoOf(() => map.set(fd, { number: 7 }, 1))).toBe("EEXIST");
      expect([map.delete(fd), map.delete(fd), map.get(fd)]).toEqual([true, false, undefined]);
    });
    const likely = type === "CGRP_STORAGE" ? /no folder of a cgroup v2/ : /descriptor .*is closed/;
    const error = thrownBy(() => map.set(999_999, { number: 1 }));
    expect(error).toMatchObject({ errno: "EBADF", likely: expect.stringMatching(likely) });
  });

test.skipIf(lacks("USER_RINGBUF"))(
  "USER_RINGBUF: what is written a program takes out, to the last record, round and round",
  () => {
    using object = load("map_user_ring");
    using orders = object.userRingBuffer<{ amount: number; name?: string }>("orders", "order");
    expect([orders.size, orders.pending]).toEqual([4096, 0]);
    const take = () => object.program("drain").testRun(PACKET).retval;
    expect(take()).toBe(0);
    let [written, sum] = [0, 0];
    for (let round = 0; round < 40; round++) {
      let here = 0;
      while (orders.write({ amount: written, name: `n${written}` })) {
        sum += written++;
        here++;
      }
      expect(here).toBe(Math.floor(4096 / 24)); // 16 bytes and a header of 8: and 16 are left over
      expect(orders.pending).toBe(here * 24);
      expect(take()).toBe(here);
      expect(orders.pending).toBe(0);
    }
    expect([global(object, "taken").value, global(object, "sum").value]).toEqual([BigInt(written), BigInt(sum)]);
    expect(global(object, "last").value).toBe(`n${written - 1}`);
    expect(thrownBy(() => orders.write({ amount: -1 }))).toBeInstanceOf(BpfError);
    using plain = object.userRingBuffer("orders");
    // 17 bytes and a header of 8, rounded up to 32: to the last byte of the buffer.
    let filled = 0;
    while (filled < 1000 && plain.write(new Uint8Array(17))) filled++;
    expect([filled, plain.pending, take()]).toEqual([128, 4096, 128]);
    expect(() => plain.write(new Uint8Array(4096))).toThrow(RangeError);
    plain.close();
    for (const use of [() => plain.write(new Uint8Array(8)), () => plain.pending])
      expect((thrownBy(use) as BpfError).message).toContain("of map orders: it is closed");
  },
);

test.skipIf(lacks("ARENA"))("ARENA: programs and user space see the same memory at the same address", () => {
  using object = load("map_arena");
  const arena = object.map("memory") as BpfArena;
  const page = 3 * 4096;
  arena.memory.u32[page / 4] = 37;
  global(object, "place").value = arena.address + BigInt(page);
  object.program("add").testRun(PACKET);
  object.program("add").testRun(PACKET);
  expect(arena.view(page, 8).u32[0]).toBe(47);
  expect(arena.at(arena.address + BigInt(page), 4).u32[0]).toBe(47);
  expect(thrownBy(() => arena.at(arena.address + 16n * 4096n, 4))).toBeInstanceOf(BpfError);
  // A page that nobody touched appears with the first touch by user space.
  expect(arena.view(15 * 4096, 4).u32[0]).toBe(0);
  arena.close();
  expect(thrownBy(() => arena.view(0, 4))).toBeInstanceOf(BpfError);
});

test.skipIf(lacks("ARENA"))("ARENA: the object's variables in it are set before load, and shared with programs", () => {
  const spec = fixture("map_arena_variables");
  spec.globals.set("second", 100n);
  using object = BpfObject.load(spec);
  const arena = object.map("memory") as BpfArena;
  expect([6, 7].map(() => object.program("add").testRun(PACKET).retval)).toEqual([106, 113]);
  const variables = arena.view(arena.dataOffset, 16);
  expect([variables.u32[0], variables.view.getBigInt64(8, true)]).toEqual([7, 113n]);
  variables.u32[0] = 9;
  expect(object.program("add").testRun(PACKET).retval).toBe(123);
  // In its last page as soon as the kernel lets programs name places so far behind.
  const [first, last] = [0, 9 * 4096];
  const places: { readonly [kernel: string]: readonly number[] } = { "6.12": [first], "7": [last] };
  expect(places[KERNEL] ?? [first, last]).toContain(arena.dataOffset);
});

test.skipIf(lacks("ARENA"))("ARENA: one whose pages only programs make has no variables", () => {
  const spec = fixture("map_arena_variables");
  const memory = spec.maps.get("memory") as MapSpec;
  memory.flags |= BPF_F_SEGV_ON_FAULT;
  const error = thrownBy(() => BpfObject.load(spec).close()) as BpfError;
  expect([error.class, error.message]).toEqual(["object", expect.stringContaining("only programs make its pages")]);
});

userSpace(() => {
  test.skipIf(lacks("ARENA"))(
    "ARENA: what somebody else has mapped can be opened; only its memory cannot be had",
    () => {
      const bpffs = join(folder, "arenas");
      expect(Bun.spawnSync(["sh", "-c", `mkdir -p ${bpffs} && mount -t bpf bpf ${bpffs}`]).exitCode).toBe(0);
      try {
        const arena = { keySize: 0, valueSize: 0, maxEntries: 10 };
        using mapped = make<BpfArena>("ARENA", arena);
        mapped.pin(join(bpffs, "mapped"));
        using opened = openMap(join(bpffs, "mapped")) as BpfArena;
        expect([opened.id, opened.spec.maxEntries]).toEqual([mapped.id, 10]);
        const refused = thrownBy(() => opened.memory) as BpfError;
        expect([refused.errno, refused.likely]).toEqual(["EINVAL", expect.stringMatching(/^a process has it mapped/)]);
        const cli = Bun.spawnSync([EXECUTABLE, "map", "get", join(bpffs, "mapped"), "0"]);
        expect([cli.exitCode, cli.stderr.toString()]).toEqual([4, expect.stringContaining("ARENA")]);
        // Nobody has mapped this one: looking at it does not either, and who wants its memory gets it.
        using made = new Fd(mapCreate({ map_type: rowOf("ARENA").type, max_entries: 10, map_flags: BPF_F_MMAPABLE }));
        expect(objPin(made.number, join(bpffs, "new"))).toBe(0);
        openMap(join(bpffs, "new")).close();
        using unmapped = openMap(join(bpffs, "new")) as BpfArena;
        unmapped.memory.u32[0] = 7;
        expect(unmapped.view(0, 4).u32[0]).toBe(7);
      } finally {
        Bun.spawnSync(["umount", bpffs]);
      }
    },
  );
});

/** Two threads that run a program at the same time, while `during` is done so often; how often they ran it in all. */
async function underLoad(program: number, started: () => boolean, during: () => void, times: number): Promise<bigint> {
  const stop = new Int32Array(new SharedArrayBuffer(4));
  const workers = [1, 2].map(() => new Worker(new URL("./scripts/produce-worker.ts", import.meta.url)));
  const runs = workers.map(
    (worker) => new Promise<number>((resolve) => worker.addEventListener("message", ({ data }) => resolve(data))),
  );
  for (const worker of workers) worker.postMessage({ program, repeat: 1000, pause: 0, stop });
  await until("the threads run", started);
  for (let i = 0; i < times; i++) {
    during();
    await Bun.sleep(1);
  }
  Atomics.store(stop, 0, 1);
  const total = (await Promise.all(runs)).reduce((all, one) => all + one, 0);
  for (const worker of workers) worker.terminate();
  return BigInt(total);
}

test("under load on two CPUs per-CPU sums are exact, and walks of a map that changes all the time end", async () => {
  using object = load("map_kinds", "count");
  const array = object.map("cpu_array", BpfPerCpuArray<bigint>);
  const hash = object.map("cpu_hash", BpfPerCpuHashMap<number, bigint>);
  const churn = object.map("churn", BpfHashMap<number, bigint>);
  hash.set(0, [...(array.get(0) ?? [])]);
  churn.set(1000, 5n); // stays, as the programs' keys are others
  const total = await underLoad(
    object.program("count").fd.number,
    () => (array.get(0)?.sum() ?? 0n) > 0n,
    () => {
      const keys = [...churn.keys()];
      expect(keys).toContain(1000);
      expect(new Set(keys).size).toBe(keys.length);
      expect(keys.length).toBeLessThanOrEqual(33);
    },
    GUEST ? 5 : 200,
  );
  expect(total).toBeGreaterThan(1000n);
  expect([array.get(0)?.sum(), hash.get(0)?.sum()]).toEqual([total, total]);
  expect((array.get(0)?.max() ?? 0n) * 2n).toBeGreaterThanOrEqual(total / BigInt(array.get(0)?.length ?? 1));
});

test("what does not fit the map is no codec of it, and a node of memory must be there", () => {
  using map = make<BpfHashMap>("HASH", { keySize: 8, valueSize: 4, maxEntries: 4 });
  expect(thrownBy(() => map.withCodecs({ key: u32 }))).toBeInstanceOf(TypeError);
  expect(thrownBy(() => map.withCodecs({ value: u64 }))).toBeInstanceOf(TypeError);
  const BPF_F_NUMA_NODE = 4;
  const on = (numaNode: number, flags = BPF_F_NUMA_NODE) =>
    make<BpfHashMap>("HASH", { keySize: 4, valueSize: 4, maxEntries: 4, flags, numaNode }).close();
  on(0);
  on(99_999, 0); // no notice is taken of it
  expect(errnoOf(() => on(99_999))).toBe("EINVAL");
});

test("a spin lock's value is copied whole", () => {
  const BPF_F_LOCK = 4;
  using object = load("map_kinds", "none");
  const map = object.map("guarded", BpfHashMap<number, { a: number; b: number }>);
  map.set(1, { a: 1, b: 2 });
  map.set(1, { a: 3, b: 4 }, BPF_F_LOCK);
  expect(map.get(1, BPF_F_LOCK)).toMatchObject({ a: 3, b: 4 });
  const churn = object.map("churn", BpfHashMap).set(1, 1n); // without a lock
  for (const locked of [() => churn.set(1, 1n, BPF_F_LOCK), () => churn.get(1, BPF_F_LOCK)])
    expect(errnoOf(locked)).toBe("EINVAL");
});

test("a type is skipped only where the kernel is older", () => {
  for (const name of ["BLOOM_FILTER", "USER_RINGBUF", "ARENA", "TASK_STORAGE", "CGRP_STORAGE", "INSN_ARRAY", "RHASH"])
    expect([name, has(name)]).toEqual([name, isSince(rowOf(name).since)]);
});
