// Waiting for kernel buffers: the event loop lives on, nothing is missed, and all of it goes again.

import { expect, test } from "bun:test";
import type { BpfObject, RingBuffer } from "../../src/index.ts";
import {
  bpfDescriptors,
  bufferMappings,
  descriptors,
  GUEST,
  global,
  load,
  PACKET,
  runOn,
  runScript,
  testAtTheEnds,
  threads,
  until,
} from "./lib-support.ts";
import { testHere, userSpace } from "./support.ts";

const emit = (object: BpfObject, times = 1) => object.program("emit").testRun(PACKET, times);
const open = (object: BpfObject) => object.ringBuffer<{ number: number }>("events", "record");
const read = (ring: RingBuffer<unknown>) => ring.read(() => {});

/** Whether a promise is settled once the event loop had its turns. */
async function settled(promise: Promise<unknown>, ms = 50): Promise<boolean> {
  return Promise.race([promise.then(() => true), Bun.sleep(ms).then(() => false)]);
}

/** Runs a program in another thread until stopped; how often it ran. */
function produce(object: BpfObject, repeat: number, pause: number): () => Promise<number> {
  const stop = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(new URL("./scripts/produce-worker.ts", import.meta.url));
  const runs = new Promise<number>((resolve) => {
    worker.onmessage = ({ data }) => resolve(data);
  });
  worker.postMessage({ program: object.program("emit").fd.number, repeat, pause, stop });
  return async () => {
    Atomics.store(stop, 0, 1);
    Atomics.notify(stop, 0);
    const count = await runs;
    worker.terminate();
    return count;
  };
}

/** A timer and an HTTP server of this process; `lived` settles once each has had many turns. */
function startLife() {
  const TURNS = 20;
  let ticks = 0;
  let answers = 0;
  let asking = true;
  const timer = setInterval(() => ticks++, 5);
  const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("alive") });
  const asked = (async () => {
    while (asking) if ((await (await fetch(server.url)).text()) === "alive") answers++;
  })();
  const lived = () =>
    until("the timer and the server have their turns", () => ticks > TURNS && answers > TURNS, 60_000);
  const end = async () => {
    asking = false;
    await asked;
    clearInterval(timer);
    await server.stop(true);
  };
  return { lived, end };
}

test("a wait lasts until there is a record, and is over at once while one is left", async () => {
  using object = load("lib_ring", "emit");
  using ring = open(object);
  const first = ring.wait();
  expect(await settled(first)).toBe(false);
  emit(object, 3);
  await first;
  // Level-triggered: not all was read, so there is nothing to wait for.
  expect(ring.read(() => {}, 1)).toBe(1);
  await ring.wait();
  await ring.wait();
  expect(read(ring)).toBe(2);
  expect(await settled(ring.wait())).toBe(false);
});

test("a record between the last read and the wait is not missed", async () => {
  using object = load("lib_ring", "emit");
  using ring = open(object);
  for (let i = 0; i < (GUEST ? 50 : 200); i++) {
    expect(read(ring)).toBe(0);
    emit(object);
    await ring.wait();
    expect(read(ring)).toBe(1);
  }
});

testAtTheEnds(
  "records that come while others are read wake the next wait, many thousand times",
  async () => {
    using object = load("lib_ring", "emit");
    using ring = open(object);
    const stop = produce(object, 1, 0.05);
    let count = 0;
    const wanted = GUEST ? 200 : 5000;
    while (count < wanted) {
      await ring.wait();
      count += read(ring);
    }
    const runs = await stop();
    count += read(ring);
    expect(count + Number(global(object, "lost").value)).toBe(runs);
  },
  120_000,
);

testHere(
  "timers and an HTTP server go on while nothing comes",
  async () => {
    using object = load("lib_ring", "emit");
    using ring = open(object);
    const waiting = ring.wait();
    const life = startLife();
    await life.lived();
    expect(await settled(waiting)).toBe(false);
    await life.end();
  },
  120_000,
);

testHere(
  "timers and an HTTP server go on while more comes than is read, and produced = received + lost",
  async () => {
    using object = load("lib_ring", "emit");
    using ring = open(object);
    const stop = produce(object, 1000, 0);
    let count = 0;
    const reading = (async () => {
      for await (const { number } of ring) count += number >= 0 ? 1 : 0;
    })();
    await until("the first records", () => count > 0, 60_000);
    const life = startLife();
    await life.lived();
    await life.end();
    await until("many records", () => count > 1000, 60_000);
    const runs = await stop();
    await until("all is read", () => count + Number(global(object, "lost").value) === runs);
    ring.close();
    await reading;
  },
  180_000,
);

test("iterating gives every record in order, and ends with close()", async () => {
  using object = load("lib_ring", "emit");
  using ring = open(object);
  const seen: number[] = [];
  const reading = (async () => {
    for await (const { number } of ring) seen.push(number);
    return "ended";
  })();
  for (let i = 0; i < 20; i++) {
    emit(object, 5);
    await Bun.sleep(1);
  }
  await until("all is read", () => seen.length === 100);
  ring.close();
  expect(await reading).toBe("ended");
  expect(seen).toEqual(Array.from({ length: 100 }, (_, i) => i));
});

test("leaving an iteration loses nothing: the next one goes on behind it", async () => {
  using object = load("lib_ring", "emit");
  using ring = open(object);
  emit(object, 10);
  const seen: number[] = [];
  for await (const { number } of ring) if (seen.push(number) === 3) break;
  expect(seen).toEqual([0, 1, 2]);
  for await (const { number } of ring) if (seen.push(number) === 10) break;
  expect(seen).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test("wake() and close() end a wait, every one of several", async () => {
  using object = load("lib_ring", "emit");
  const ring = open(object);
  const waits = [ring.wait(), ring.wait(), ring.wait()];
  expect(await settled(Promise.race(waits))).toBe(false);
  ring.wake();
  await Promise.all(waits);
  const more = [ring.wait(), ring.wait()];
  emit(object);
  await Promise.all(more);
  read(ring);
  const last = [ring.wait(), ring.wait()];
  expect(await settled(Promise.race(last))).toBe(false);
  ring.close();
  await Promise.all(last);
  await ring.wait();
  expect([ring.closed, read(ring)]).toEqual([true, 0]);
  ring.close();
});

testHere(
  "many readers wait at once, and each is woken by its own",
  async () => {
    using stack = new DisposableStack();
    const all = Array.from({ length: 24 }, () => {
      const object = stack.use(load("lib_ring", "emit"));
      return { object, ring: stack.use(open(object)) };
    });
    const woken: number[] = [];
    const waits = all.map(async ({ ring }, i) => {
      await ring.wait();
      woken.push(i);
      return read(ring);
    });
    await Bun.sleep(50);
    expect(woken).toEqual([]);
    for (const i of [7, 3, 20]) {
      const { object } = all[i] as (typeof all)[number];
      emit(object, i + 1);
      expect(await waits[i]).toBe(i + 1);
    }
    expect(woken).toEqual([7, 3, 20]);
    for (const [i, { object }] of all.entries()) if (!woken.includes(i)) emit(object, i + 1);
    expect(await Promise.all(waits)).toEqual(all.map((_, i) => i + 1));
  },
  60_000,
);

test("a perf buffer is waited for like a ring, whichever CPU writes", async () => {
  using object = load("lib_perf", "emit");
  using buffer = object.perfBuffer("events", "record");
  for (const cpu of buffer.cpus) {
    const waiting = buffer.wait();
    expect(await settled(waiting)).toBe(false);
    runOn(object.program("emit"), cpu);
    await waiting;
    await buffer.wait(); // not read yet
    expect(buffer.read(() => {})).toBe(1);
  }
});

test("a perf record between the last read and the wait is not missed", async () => {
  using object = load("lib_perf", "emit");
  using buffer = object.perfBuffer("events", "record");
  for (let i = 0; i < (GUEST ? 50 : 200); i++) {
    expect(buffer.read(() => {})).toBe(0);
    runOn(object.program("emit"), buffer.cpus[i % buffer.cpus.length] ?? 0);
    await buffer.wait();
    expect(buffer.read(() => {})).toBe(1);
  }
});

/** Without the sockets of the runtime's HTTP client, which it keeps for a while. */
const ownDescriptors = () => descriptors().filter((target) => !target.startsWith("socket:"));

/** Until it has been the same for a second: what others left behind is gone by then. */
async function unchanged(what: string, value: () => string): Promise<void> {
  let last = value();
  let since = performance.now();
  await until(what, () => {
    const now = value();
    if (now !== last) [last, since] = [now, performance.now()];
    return performance.now() - since > 1000;
  });
}

testHere(
  "after close() no descriptor, mapping or thread is left",
  async () => {
    const once = async () => {
      using ringObject = load("lib_ring", "emit");
      using perfObject = load("lib_perf", "emit");
      using ring = open(ringObject);
      using perf = perfObject.perfBuffer("events", "record");
      const waits = [ring.wait(), perf.wait()];
      emit(ringObject);
      runOn(perfObject.program("emit"), 0);
      await Promise.all(waits);
      expect(bufferMappings().length).toBeGreaterThanOrEqual(3);
      return threads();
    };
    await once();
    await unchanged("the descriptors of the tests before", () => ownDescriptors().join(" "));
    const before = { fds: ownDescriptors().length, mappings: bufferMappings().length };
    const during = await once();
    for (let i = 0; i < 5; i++) await once();
    await until("the thread is gone", () => threads() < during);
    await until("descriptors are gone", () => ownDescriptors().length === before.fds);
    expect(bpfDescriptors().filter((target) => !/perf_event|map|prog/.test(target))).toEqual([]);
    expect({ fds: ownDescriptors().length, mappings: bufferMappings().length }).toEqual(before);
  },
  60_000,
);

userSpace(() => {
  for (const how of ["event", "wake", "close"]) {
    test(`a process ends by itself once its wait is over by ${how}`, async () => {
      const { status, signal, out } = await runScript("end-by-itself.ts", [how]);
      expect({ status, signal, out }).toEqual({ status: 0, signal: undefined, out: "waited" });
    }, 120_000);
  }

  test("an idle wait takes no CPU", async () => {
    const { status, out } = await runScript("idle.ts");
    expect(status).toBe(0);
    // Of 1,000,000 µs: the benchmark measures it, this would notice a loop.
    expect(Number(out)).toBeLessThan(50_000);
  }, 60_000);
});
