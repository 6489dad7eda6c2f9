// Waits for a ring buffer into which nothing comes; prints the microseconds of CPU that a second of it takes, the least
// of several: what starting takes may last long on an emulated machine, a loop would last for ever.

import { load } from "../lib-support.ts";

const SECONDS = 15;
const ENOUGH = 10_000;

using object = load("lib_ring", "emit");
using ring = object.ringBuffer("events", "record");
const waiting = ring.wait();
let least = Number.POSITIVE_INFINITY;
for (let i = 0; i < SECONDS && least > ENOUGH; i++) {
  const before = process.cpuUsage();
  await Bun.sleep(1000);
  const { user, system } = process.cpuUsage(before);
  least = Math.min(least, user + system);
}
ring.wake();
await waiting;
console.log(least);
