// Waits for a ring buffer into which nothing comes; prints the microseconds of CPU that two seconds of it took.

import { load } from "../lib-support.ts";

using object = load("lib_ring", "emit");
using ring = object.ringBuffer("events", "record");
const waiting = ring.wait();
await Bun.sleep(1000); // what starting takes is over
const before = process.cpuUsage();
await Bun.sleep(2000);
const { user, system } = process.cpuUsage(before);
ring.wake();
await waiting;
console.log(user + system);
