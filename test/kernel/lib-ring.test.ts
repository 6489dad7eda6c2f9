// The ring buffer's reader on a real kernel: every record, once, in order, as it was written.

import { expect, test } from "bun:test";
import { onlineCpus } from "../../src/host/cpus.ts";
import { BpfObject, BpfRuntimeError, type RingBuffer } from "../../src/index.ts";
import { PAGE_SIZE } from "../../src/sys/libc.ts";
import { fixture, global, load, PACKET, pinTo, runScript, testAtTheEnds, thrownBy } from "./lib-support.ts";
import { testHere } from "./support.ts";

interface Record {
  number: number;
  cpu: number;
  check: bigint;
}

const CHECK = 0x100000001b3n;
const SLOT = 24; // struct record with the ring's header

function ringOf(object: BpfObject): RingBuffer<Record> {
  return object.ringBuffer<Record>("events", "record");
}

function loadSized(size: number, ...programs: string[]): BpfObject {
  const spec = fixture("lib_ring", ...programs);
  (spec.maps.get("events") as { maxEntries: number }).maxEntries = size;
  return BpfObject.load(spec);
}

function readAll(ring: RingBuffer<Record>): Record[] {
  const records: Record[] = [];
  while (ring.read((record) => records.push(record)) > 0);
  return records;
}

const numbers = (records: Record[]) => records.map(({ number }) => number);
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

test("records carry exactly what the program wrote, across many rounds of a buffer of one page", () => {
  using object = load("lib_ring", "emit");
  using ring = ringOf(object);
  expect(ring.size).toBe(PAGE_SIZE);
  const all: Record[] = [];
  // 100 records are 2,400 of 4,096 bytes: every second round one lies across the end, at another place each time.
  for (let round = 0; round < 64; round++) {
    object.program("emit").testRun(PACKET, 100);
    all.push(...readAll(ring));
  }
  expect(numbers(all)).toEqual(range(0, 6400));
  expect(all.every(({ number, check }) => check === BigInt(number) * CHECK)).toBe(true);
  expect(global(object, "lost").value).toBe(0n);
});

test("records of every size keep their length and bytes, where the kernel put them", () => {
  using object = load("lib_ring", "emit_sizes");
  using ring = object.ringBuffer("events");
  let count = 0;
  for (let round = 0; round < 50; round++) {
    object.program("emit_sizes").testRun(PACKET, 40);
    ring.consume((memory, offset, length) => {
      expect(length).toBe(((count++ * 4) % 64) + 1);
      expect(offset % 8).toBe(0);
      expect(memory.u8.subarray(offset, offset + length).every((byte) => byte === length)).toBe(true);
    });
  }
  expect(count).toBe(2000);
  expect(global(object, "lost").value).toBe(0n);
});

test("a full buffer loses exactly what the program counted; produced = received + lost", () => {
  using object = load("lib_ring", "emit");
  using ring = ringOf(object);
  object.program("emit").testRun(PACKET, 1000);
  const received = readAll(ring);
  const fits = Math.floor(PAGE_SIZE / SLOT);
  // The kernel keeps the buffer from becoming quite full: producer and consumer at one place mean empty.
  expect(received.length).toBeGreaterThanOrEqual(fits - 1);
  expect(received.length).toBeLessThanOrEqual(fits);
  expect(received.length + Number(global(object, "lost").value)).toBe(1000);
  // What is read is given back: as many fit again.
  object.program("emit").testRun(PACKET, 1000);
  expect(readAll(ring).length).toBe(received.length);
});

test("discarded records are passed over and their space is given back", () => {
  using object = load("lib_ring", "emit_discarding");
  using ring = ringOf(object);
  const all: number[] = [];
  for (let round = 0; round < 20; round++) {
    object.program("emit_discarding").testRun(PACKET, 150);
    all.push(...numbers(readAll(ring)));
  }
  expect(all).toEqual(range(0, 3000).filter((number) => number % 3 !== 2));
});

test("a limit counts records handed over, not discarded ones; the rest stays for the next read", () => {
  using object = load("lib_ring", "emit_discarding");
  using ring = ringOf(object);
  object.program("emit_discarding").testRun(PACKET, 30);
  const seen: number[] = [];
  const read = (limit: number) => ring.read(({ number }) => seen.push(number), limit);
  expect([read(1), read(4), read(0), read(100), read(100)]).toEqual([1, 4, 0, 15, 0]);
  expect(seen).toEqual(range(0, 30).filter((number) => number % 3 !== 2));
});

test("reservations submitted out of order are read in order", () => {
  using object = load("lib_ring", "emit_swapped");
  using ring = ringOf(object);
  object.program("emit_swapped").testRun(PACKET, 50);
  expect(numbers(readAll(ring))).toEqual(range(0, 100));
});

testAtTheEnds(
  "a record that is reserved and not yet submitted, and all behind it, is left until it is",
  async () => {
    using object = load("lib_hold");
    using ring = object.ringBuffer<{ number: bigint }>("events", "record");
    const read = () => {
      const seen: bigint[] = [];
      ring.read(({ number }) => seen.push(number));
      return seen;
    };
    const phase = global(object, "phase");
    // The program holds its reservation while this thread reads: it runs in another one.
    const runner = new Worker(new URL("./scripts/test-run-worker.ts", import.meta.url));
    const ended = new Promise<{ result: number; retval: number }>((resolve) => {
      runner.onmessage = ({ data }) => resolve(data);
    });
    const [here = 0, there = here] = onlineCpus();
    pinTo([here]);
    runner.postMessage({ program: object.program("hold").fd.number, cpu: there });
    const end = performance.now() + 20_000;
    while (phase.value !== 1 && performance.now() < end) await Bun.sleep(1);
    expect(phase.value).toBe(1);
    const early = [...read(), ...read()];
    const stillHeld = phase.value;
    phase.value = 2;
    const { result, retval } = await ended;
    expect({ early, stillHeld, result }).toEqual({ early: [], stillHeld: 1, result: 0 });
    expect(retval).toBe(2); // DONE: it was told to submit, and did not run out of time
    expect(read()).toEqual([1n, 2n]);
    runner.terminate();
    pinTo(onlineCpus());
  },
  120_000,
);

test("positions beyond 2^31 and 2^32 bytes", () => {
  using object = loadSized(4 << 20, "emit_large", "emit");
  using ring = object.ringBuffer("events");
  let count = 0;
  let wrong = 0;
  // 3 records of a megabyte fit at a time; 1,400 rounds are 4.4 GB.
  for (let round = 0; round < 1400; round++) {
    object.program("emit_large").testRun(PACKET, 3);
    ring.consume((memory, offset, length) => {
      const first = memory.u32[offset >>> 2] as number;
      const last = memory.u32[(offset + length - 4) >>> 2] as number;
      if (length !== 1 << 20 || first !== count || last !== ~count >>> 0) wrong++;
      count++;
    });
  }
  expect({ count, wrong, lost: global(object, "lost").value }).toEqual({ count: 4200, wrong: 0, lost: 0n });
  // A reader that begins there, as after another one was closed.
  ring.close();
  using second = ringOf(object);
  object.program("emit").testRun(PACKET, 5);
  expect(numbers(readAll(second))).toEqual(range(4200, 4205));
}, 120_000);

test("a callback that throws: its record counts as read, the next read goes on behind it", () => {
  using object = load("lib_ring", "emit");
  using ring = ringOf(object);
  object.program("emit").testRun(PACKET, 10);
  const seen: number[] = [];
  const failing = () =>
    ring.read(({ number }) => {
      seen.push(number);
      if (number === 3) throw new Error("thrown on purpose");
    });
  expect(failing).toThrow("thrown on purpose");
  expect(seen).toEqual([0, 1, 2, 3]);
  expect(numbers(readAll(ring))).toEqual(range(4, 10));
});

test("a record shorter than its type is refused and passed over", () => {
  using object = load("lib_ring", "emit_sizes");
  using ring = ringOf(object);
  object.program("emit_sizes").testRun(PACKET, 6); // sizes 1, 5, 9, 13, 17, 21; struct record has 16 bytes
  for (const size of [1, 5, 9, 13]) expect(() => ring.read(() => {})).toThrow(`${size} bytes`);
  expect(ring.read(() => {})).toBe(2);
});

test("a size the kernel does not take is rounded up to one that it does", () => {
  for (const [asked, got] of [
    [1, PAGE_SIZE],
    [PAGE_SIZE + 1, 2 * PAGE_SIZE],
    [3 * PAGE_SIZE, 4 * PAGE_SIZE],
  ] as const) {
    using object = loadSized(asked, "emit");
    using ring = ringOf(object);
    expect(ring.size).toBe(got);
  }
});

test("the space of what was read is given back while a long read goes on", () => {
  using object = loadSized(16 * PAGE_SIZE, "emit");
  using ring = ringOf(object);
  const fits = Math.floor((16 * PAGE_SIZE) / SLOT);
  object.program("emit").testRun(PACKET, fits - 1);
  let produced = fits - 1;
  let count = 0;
  ring.consume(() => {
    // Half-way through the buffer there is room for a quarter of it.
    if (++count === fits >> 1) {
      object.program("emit").testRun(PACKET, fits >> 3);
      produced += fits >> 3;
    }
  });
  expect(global(object, "lost").value).toBe(0n);
  expect(count + readAll(ring).length).toBe(produced);
});

testAtTheEnds(
  "closing the reader from its own callback ends the read",
  async () => {
    const { status, signal, out } = await runScript("close-in-callback.ts", ["ring"]);
    expect({ status, signal, out }).toEqual({ status: 0, signal: undefined, out: "1 record, closed, then 0" });
  },
  60_000,
);

testHere("a reader of a map that is closed is refused, and says so", () => {
  const object = load("lib_ring", "emit");
  object.close();
  expect(thrownBy(() => ringOf(object))).toMatchObject({ errno: "EBADF", likely: "it is closed" });
});

test("a read from within a callback is refused: both would hand over the same records", () => {
  using object = load("lib_ring", "emit");
  using ring = ringOf(object);
  object.program("emit").testRun(PACKET, 10);
  let inner: unknown;
  const count = ring.read(({ number }) => {
    if (number === 0) inner = thrownBy(() => ring.read(() => {}));
  });
  expect(inner).toBeInstanceOf(BpfRuntimeError);
  expect(count).toBe(10);
  expect(readAll(ring)).toEqual([]);
});

testHere(
  "nothing is allocated for a record before it is decoded",
  async () => {
    const { status, out } = await runScript("allocations.ts", ["ring"], { BUN_JSC_useGC: "0" });
    expect(status).toBe(0);
    const { looked, kept } = JSON.parse(out);
    expect(kept).toBeGreaterThan(8); // the measure sees an object a record
    expect(looked).toBeLessThan(1);
  },
  180_000,
);
