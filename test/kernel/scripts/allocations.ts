// Run without garbage collection (BUN_JSC_useGC=0): prints how many bytes of heap each record takes that is looked at in
// place, and for comparison with one small object made for it.

import { BpfObject, type Memory, type RecordReader } from "../../../src/index.ts";
import { fixture, global, load, PACKET, runOn } from "../lib-support.ts";

const RECORD = 24; // struct record of lib_ring with the ring's header
const RING = 1 << 20;
const MOST = 128; // of lib_perf.bpf.c

/** A reader, and what fills it with some thousand records. */
function open(kind: string | undefined): { reader: RecordReader<unknown>; fill: () => void } {
  if (kind === "ring") {
    const spec = fixture("lib_ring", "emit");
    (spec.maps.get("events") as { maxEntries: number }).maxEntries = RING;
    const object = BpfObject.load(spec);
    return {
      reader: object.ringBuffer("events"),
      fill: () => object.program("emit").testRun(PACKET, RING / RECORD - 1),
    };
  }
  const object = load("lib_perf", "emit");
  global(object, "burst", ".data").value = MOST;
  const fill = () => {
    for (let i = 0; i < 150; i++) runOn(object.program("emit"), 0);
  };
  return { reader: object.perfBuffer("events", "record", { size: RING }), fill };
}

const { reader, fill } = open(process.argv[2]);
let sum = 0;
const kept: unknown[] = [];
const look = (memory: Memory, offset: number) => {
  sum = (sum + (memory.u32[offset >>> 2] as number)) | 0;
};
const keep = (memory: Memory, offset: number) => {
  kept[0] = { number: memory.u32[offset >>> 2] };
};

/** Bytes a record of so many fillings; only the reading counts. */
function bytesARecord(callback: typeof look, rounds: number): number {
  let [bytes, count] = [0, 0];
  for (let i = 0; i < rounds; i++) {
    fill();
    const before = process.memoryUsage().heapUsed;
    count += reader.consume(callback);
    bytes += process.memoryUsage().heapUsed - before;
  }
  return bytes / count;
}

bytesARecord(look, 5); // compiled by now
console.log(JSON.stringify({ looked: bytesARecord(look, 5), kept: bytesARecord(keep, 3), sum, length: kept.length }));
process.exit();
