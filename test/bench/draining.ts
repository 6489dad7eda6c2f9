// How fast a full buffer is drained. A program fills it by BPF_PROG_TEST_RUN; only the reading is timed.

import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { BpfObject, compileDecoder, type Memory, parseObject, type RecordReader } from "../../src/index.ts";
import { progTestRun } from "../../src/sys/bpf.ts";
import type { Row } from "./table.ts";

const RECORD = 48; // 40 bytes of data and the ring's header of 8
const PERF_RECORD = 56; // struct perf_event_header, u32 size, 40 bytes, 4 of padding
const PACKET = new Uint8Array(64);

type Event = { pid: number; uid: number; tid: number; command: string; message: string };
type Numbers = Omit<Event, "command" | "message">;

/** What the loops add up, so that no load can be left out. */
export let sink = 0;

/** One way of reading: drains the reader, answers how many records. */
type Drain = () => number;

function inPlace(reader: RecordReader<unknown>): Drain {
  return () => {
    let sum = 0;
    const count = reader.consume((memory: Memory, offset: number) => {
      const { u32 } = memory;
      const word = offset >>> 2;
      sum = (sum + (u32[word] as number) + (u32[word + 1] as number) + (u32[word + 2] as number)) | 0;
    });
    sink ^= sum;
    return count;
  };
}

function decoded<T>(
  reader: RecordReader<unknown>,
  decode: (memory: Memory, offset: number) => T,
  use: (value: T) => number,
): Drain {
  return () => {
    let sum = 0;
    const count = reader.consume((memory, offset) => {
      sum = (sum + use(decode(memory, offset))) | 0;
    });
    sink ^= sum;
    return count;
  };
}

/** Each way in a process of its own would be fairest; all in one is what a program that does several things gets. */
function ways(object: BpfObject, reader: RecordReader<unknown>): Map<string, Drain> {
  const btf = object.spec.btf;
  if (!btf) throw new Error("The benchmark's object has no BTF");
  const decoder = <T>(name: string) => compileDecoder<T>(btf, btf.findByName(name, "struct"));
  return new Map([
    ["three u32 in place", inPlace(reader)],
    ["as objects of numbers", decoded(reader, decoder<Numbers>("bench_numbers"), (e) => e.pid + e.uid + e.tid)],
    [
      "as objects with both strings",
      decoded(
        reader,
        decoder<Event>("bench_event"),
        (e) => e.pid + e.uid + e.tid + e.command.length + e.message.length,
      ),
    ],
  ]);
}

const MILLION = 1e6;
const BUDGETS: { readonly [way: string]: number } = {
  "three u32 in place": 100,
  "as objects of numbers": 15,
  "as objects with both strings": 3,
};

function load(commands: number, program: string, bytes: number): BpfObject {
  const path = join(resolve(import.meta.dir, "../.."), "build/fixtures/lib_bench.bpf.o");
  const spec = parseObject(new Uint8Array(readFileSync(path)), "lib_bench");
  spec.globals.set("commands", commands);
  for (const one of spec.programs.values()) one.autoload = one.name === program;
  const ring = spec.maps.get("ring");
  if (ring) ring.maxEntries = bytes;
  return BpfObject.load(spec);
}

/** Fills by running the program, in this thread and so on one CPU at a time. */
function fill(object: BpfObject, program: string, count: number): void {
  const fd = object.program(program).fd.number;
  const { result } = progTestRun({ prog_fd: fd, data_in: PACKET, data_size_in: PACKET.byteLength, repeat: count });
  if (result < 0) throw new Error(`Cannot run ${program}: errno ${-result}`);
}

interface Kind {
  readonly program: string;
  readonly recordSize: number;
  readonly budgets: { readonly [way: string]: number };
  open(object: BpfObject, bytes: number): RecordReader<unknown>;
}

const KINDS: { readonly [kind: string]: Kind } = {
  ring: { program: "fill_ring", recordSize: RECORD, budgets: BUDGETS, open: (object) => object.ringBuffer("ring") },
  perf: {
    program: "fill_perf",
    recordSize: PERF_RECORD,
    budgets: {},
    open: (object, size) => object.perfBuffer("perf", "bench_event", { size }),
  },
};

/** Million records a second for each way of reading a full buffer, the ways interleaved over `rounds`. */
export function draining(kind: "ring" | "perf", commands: number, rounds: number, bytes = 4 << 20): Row[] {
  const { program, recordSize, budgets, open } = KINDS[kind] as Kind;
  using object = load(commands, program, bytes);
  using reader = open(object, bytes);
  const count = Math.floor(bytes / recordSize) - 1;
  const measured = [...ways(object, reader)].map(([way, drain]) => {
    const name = `${kind}: ${way}${way.includes("strings") ? `, ${commands} names` : ""}`;
    const row: Row = { name, unit: "M records/s", budget: budgets[way], better: "more", values: [] };
    return { row, drain };
  });
  for (let round = 0; round < rounds; round++) {
    for (const { row, drain } of measured) {
      fill(object, program, count);
      const start = performance.now();
      const read = drain();
      const seconds = (performance.now() - start) / 1000;
      // A perf buffer is one CPU's: a thread that was moved meanwhile has filled two in part.
      if (kind === "ring" && read !== count) throw new Error(`Read ${read} of ${count} records`);
      if (round > 0 || rounds === 1) row.values.push(read / seconds / MILLION);
    }
  }
  return measured.map(({ row }) => row);
}

if (import.meta.main) {
  const { render } = await import("./table.ts");
  console.log(render([...draining("ring", 16, 30), ...draining("ring", 65536, 30), ...draining("perf", 16, 30)]));
}
