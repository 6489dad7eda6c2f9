// Nothing is left to wait for: the process must end by itself, in each of the ways a wait can be over.

import { load, PACKET } from "../lib-support.ts";

const object = load("lib_ring", "emit");
const ring = object.ringBuffer("events", "record");
const how = process.argv[2];
setTimeout(() => {
  if (how === "event") object.program("emit").testRun(PACKET);
  else if (how === "wake") ring.wake();
  else ring.close();
}, 50);
await ring.wait();
// Neither the reader nor the object is closed: only what is waited for keeps a process.
console.log("waited");
