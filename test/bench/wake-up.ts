// How long from a program's submit until the code that waited for it runs.

import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { BpfObject, parseObject } from "../../src/index.ts";
import { monotonic } from "./clock.ts";

/** Microseconds of each of `count` wake-ups, a millisecond apart, of a reader that was waiting. */
export async function wakeUps(count: number): Promise<number[]> {
  const path = join(resolve(import.meta.dir, "../.."), "build/fixtures/lib_bench.bpf.o");
  const spec = parseObject(new Uint8Array(readFileSync(path)), "lib_bench");
  for (const program of spec.programs.values()) program.autoload = program.name === "wake";
  using object = BpfObject.load(spec);
  using ring = object.ringBuffer("ring");
  const producer = new Worker(new URL("./wake-up-worker.ts", import.meta.url));
  producer.postMessage({ program: object.program("wake").fd.number, count });
  const latencies: number[] = [];
  while (latencies.length < count) {
    await ring.wait();
    const woken = monotonic();
    ring.consume((memory, offset) => {
      const made = (memory.u32[offset >>> 2] as number) + (memory.u32[(offset >>> 2) + 1] as number) * 2 ** 32;
      latencies.push((woken - made) / 1000);
    });
  }
  await producer.terminate();
  return latencies;
}
