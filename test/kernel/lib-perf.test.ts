// The perf buffers' reader on a real kernel: every CPU's records, once, in its order; what is lost is counted.

import { expect, test } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { onlineCpus, possibleCpuCount } from "../../src/host/cpus.ts";
import { type BpfObject, BpfRuntimeError, type PerfBuffer, type PerfBufferOptions } from "../../src/index.ts";
import { PAGE_SIZE } from "../../src/sys/libc.ts";
import { global, load, runOn, runScript, testAtTheEnds, thrownBy } from "./lib-support.ts";
import { testHere } from "./support.ts";

interface Record {
  number: number;
  cpu: number;
  check: bigint;
  tail: number;
}

const CHECK = 0x100000001b3n;
const MOST = 128; // of test/fixtures/lib_perf.bpf.c

const open = (object: BpfObject, options?: PerfBufferOptions) => object.perfBuffer<Record>("events", "record", options);

function readAll(buffer: PerfBuffer<Record>): Record[] {
  const records: Record[] = [];
  while (buffer.read((record) => records.push(record)) > 0);
  return records;
}

/** Runs a program on a CPU, which emits so many records. */
function emit(object: BpfObject, cpu: number, burst: number, program = "emit"): void {
  global(object, "burst", ".data").value = burst;
  expect(runOn(object.program(program), cpu)).toBe(0);
}

const counter = (object: BpfObject, name: string) => Number(global(object, name).value);

test("records carry exactly what the program wrote, of every CPU, across many rounds of one page", () => {
  using object = load("lib_perf", "emit");
  using buffer = open(object, { size: 1 });
  expect([buffer.size, buffer.cpus]).toEqual([PAGE_SIZE, onlineCpus()]);
  const all: Record[] = [];
  // A record has 40 bytes here, which do not divide the page: some lie across its end.
  for (let round = 0; round < 30; round++) {
    for (const cpu of onlineCpus()) emit(object, cpu, 100);
    const fresh = readAll(buffer);
    for (const cpu of onlineCpus()) {
      const own = fresh.filter((record) => record.cpu === cpu).map(({ number }) => number);
      expect(own.length).toBe(100);
      expect(own).toEqual([...own].sort((a, b) => a - b));
    }
    all.push(...fresh);
  }
  expect(all.map(({ number }) => number).sort((a, b) => a - b)).toEqual(all.map((_, i) => i));
  expect(all.every(({ number, check, tail }) => check === BigInt(number) * CHECK && tail === ~number >>> 0)).toBe(true);
  expect(counter(object, "failed")).toBe(0);
});

test("records of every size keep their bytes; the kernel's padding is at their end", () => {
  using object = load("lib_perf", "emit_sizes");
  using buffer = open(object, { size: PAGE_SIZE });
  let count = 0;
  for (let round = 0; round < 40; round++) {
    emit(object, 0, 50, "emit_sizes");
    buffer.consume((memory, offset, length) => {
      const size = ((count++ * 4) % 64) + 1;
      expect(length - size).toBeGreaterThanOrEqual(0);
      expect(length - size).toBeLessThan(8);
      expect(offset % 4).toBe(0);
      expect(memory.u8.subarray(offset, offset + size).every((byte) => byte === size)).toBe(true);
    });
  }
  expect(count).toBe(2000);
});

test("what the kernel had no room for is told by CPU: produced = received + lost", () => {
  using object = load("lib_perf", "emit");
  const lost = new Map<number, number>();
  using buffer = open(object, { size: 1, onLost: (cpu, count) => lost.set(cpu, (lost.get(cpu) ?? 0) + count) });
  for (let i = 0; i < 8; i++) for (const cpu of onlineCpus()) emit(object, cpu, MOST);
  let received = readAll(buffer).length;
  expect(received).toBeGreaterThan(0);
  // The kernel tells of a loss with the next record that it has room for.
  for (const cpu of onlineCpus()) emit(object, cpu, 1);
  received += readAll(buffer).length;
  const total = [...lost.values()].reduce((sum, count) => sum + count, 0);
  expect([...lost.keys()].sort()).toEqual(onlineCpus());
  expect(total).toBe(counter(object, "failed"));
  expect(received + total).toBe(counter(object, "produced"));
});

test("a limit holds over all CPUs, and the one that is read first changes", () => {
  using object = load("lib_perf", "emit");
  using buffer = open(object);
  for (const cpu of onlineCpus()) emit(object, cpu, 10);
  const firsts = new Set<number>();
  let total = 0;
  for (let i = 0; i < onlineCpus().length; i++) {
    total += buffer.read(({ cpu }) => firsts.add(cpu), 3);
    expect(total).toBe(3 * (i + 1));
  }
  expect([...firsts].sort()).toEqual(onlineCpus());
  expect(buffer.read(() => {}, 0)).toBe(0);
  // More than one CPU has left, and less than all have.
  if (onlineCpus().length > 1) total += buffer.read(() => {}, 11);
  if (onlineCpus().length > 1) expect(total).toBe(3 * onlineCpus().length + 11);
  expect(readAll(buffer).length).toBe(10 * onlineCpus().length - total);
});

test("a callback that throws: its record counts as read; a read within it is refused", () => {
  using object = load("lib_perf", "emit");
  using buffer = open(object);
  emit(object, 0, 10);
  const seen: number[] = [];
  expect(() =>
    buffer.read(({ number }) => {
      seen.push(number);
      if (number === 3) throw new Error("thrown on purpose");
    }),
  ).toThrow("thrown on purpose");
  let inner: unknown;
  buffer.read(({ number }) => {
    seen.push(number);
    inner ??= thrownBy(() => buffer.read(() => {}));
  });
  expect(seen).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  expect(inner).toBeInstanceOf(BpfRuntimeError);
});

testAtTheEnds(
  "closing the reader from its own callback ends the read",
  async () => {
    const { status, signal, out } = await runScript("close-in-callback.ts", ["perf"]);
    expect({ status, signal, out }).toEqual({ status: 0, signal: undefined, out: "1 record, closed, then 0" });
  },
  60_000,
);

testHere(
  "nothing is allocated for a record before it is decoded",
  async () => {
    const { status, out } = await runScript("allocations.ts", ["perf"], { BUN_JSC_useGC: "0" });
    expect(status).toBe(0);
    const { looked, kept } = JSON.parse(out);
    expect(kept).toBeGreaterThan(8); // the measure sees an object a record
    expect(looked).toBeLessThan(1);
  },
  180_000,
);

test("without a size a buffer has 256 KiB for each CPU, and the map a slot for each possible one", () => {
  using object = load("lib_perf", "emit");
  using buffer = open(object);
  expect(buffer.size).toBe(256 << 10);
  expect(object.map("events").spec.maxEntries).toBe(possibleCpuCount());
});

const SWITCH = "/sys/devices/system/cpu/cpu1/online";

test.if(existsSync(SWITCH))(
  "a CPU that is offline has no buffer; one that comes later is not read; a new reader has it",
  () => {
    const cpus = onlineCpus();
    using object = load("lib_perf", "emit");
    try {
      writeFileSync(SWITCH, "0");
      expect(onlineCpus()).toEqual(cpus.filter((cpu) => cpu !== 1));
      using buffer = open(object);
      expect(buffer.cpus).toEqual(onlineCpus());
      expect(runOn(object.program("emit"), 1)).toBeLessThan(0);
      emit(object, 0, 5);
      expect(readAll(buffer).length).toBe(5);
      writeFileSync(SWITCH, "1");
      emit(object, 1, 1);
      expect([readAll(buffer).length, counter(object, "failed")]).toEqual([0, 1]);
      buffer.close();
      using second = open(object);
      expect(second.cpus).toEqual(cpus);
      emit(object, 1, 2);
      expect(readAll(second).map(({ cpu }) => cpu)).toEqual([1, 1]);
      // It goes while it is read: what it wrote is still there.
      emit(object, 1, 3);
      writeFileSync(SWITCH, "0");
      emit(object, 0, 1);
      expect(
        readAll(second)
          .map(({ cpu }) => cpu)
          .sort(),
      ).toEqual([0, 1, 1, 1]);
    } finally {
      writeFileSync(SWITCH, "1");
    }
    expect(readFileSync(SWITCH, "utf8")).toBe("1\n");
  },
);
