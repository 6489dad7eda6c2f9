// Closes a reader in its own callback: what is read must stay mapped until the read is over.

import { load, PACKET, runOn } from "../lib-support.ts";

const kind = process.argv[2];
using object = kind === "ring" ? load("lib_ring", "emit") : load("lib_perf", "emit");
const reader = kind === "ring" ? object.ringBuffer("events", "record") : object.perfBuffer("events", "record");
if (kind === "ring") object.program("emit").testRun(PACKET, 10);
else for (let i = 0; i < 10; i++) runOn(object.program("emit"), 0);
let count = 0;
reader.read(() => {
  count++;
  reader.close();
});
console.log(`${count} record, ${reader.closed ? "closed" : "open"}, then ${reader.read(() => {})}`);
