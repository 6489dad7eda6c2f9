// The arithmetic of both readers where a real kernel takes too long to come, or never comes: positions around 2^31,
// 2^32 and 2^63, and records that cannot be. The shared memory is a file, written as the kernel writes it.

import { afterEach, expect, test } from "bun:test";
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PERF_RECORD_LOST, PERF_RECORD_SAMPLE, PROT_READ, PROT_WRITE, perf_event_mmap_page } from "elf-loader/uapi";
import { CpuBuffer } from "../../src/events/cpu-buffer.ts";
import { BpfRuntimeError, RingBuffer } from "../../src/index.ts";
import type { BpfMap } from "../../src/map/map.ts";
import { Fd } from "../../src/sys/fd.ts";
import { PAGE_SIZE } from "../../src/sys/libc.ts";
import { Mapping } from "../../src/sys/mapping.ts";

const STARTS = [0n, 1n << 31n, 1n << 32n, (1n << 33n) + (1n << 31n), 1n << 53n, 1n << 62n];
const SIZE = PAGE_SIZE;

const opened: { close(): void }[] = [];
afterEach(() => {
  for (const one of opened.splice(0).reverse()) one.close();
});

/** A file of zeros, gone with the test, and a mapping to write it by. */
function sharedFile(length: number): { fd: number; mapping: Mapping } {
  const folder = mkdtempSync(join(tmpdir(), "hello-ebpf-"));
  const fd = openSync(join(folder, "memory"), "w+");
  ftruncateSync(fd, length);
  rmSync(folder, { recursive: true });
  const mapping = Mapping.create(fd, length, PROT_READ | PROT_WRITE);
  if (typeof mapping === "number") throw new Error(`mmap gave ${mapping}`);
  opened.push({ close: () => closeSync(fd) }, mapping);
  return { fd, mapping };
}

const HEAD = perf_event_mmap_page.fields.data_head?.[0] ?? -1;
const TAIL = perf_event_mmap_page.fields.data_tail?.[0] ?? -1;

/** Writes records as kernel/events/ring_buffer.c does. */
class PerfWriter {
  readonly #mapping: Mapping;
  head: bigint;

  constructor(mapping: Mapping, start: bigint) {
    this.#mapping = mapping;
    this.head = start;
    this.#position(TAIL, start);
    this.#position(HEAD, start);
  }

  #position(at: number, value: bigint): void {
    this.#mapping.memory.view.setBigUint64(at, value, true);
  }

  get tail(): bigint {
    return this.#mapping.memory.view.getBigUint64(TAIL, true);
  }

  /** A record with this body; `length`: what its header says. */
  record(type: number, body: Uint8Array, length = body.length + 8): void {
    const bytes = new Uint8Array(body.length + 8);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, type, true);
    view.setUint16(6, length, true);
    bytes.set(body, 8);
    for (const [i, byte] of bytes.entries()) {
      const at = Number((this.head + BigInt(i)) & BigInt(SIZE - 1));
      this.#mapping.memory.u8[PAGE_SIZE + at] = byte;
    }
    this.head += BigInt(bytes.length);
    this.#position(HEAD, this.head);
  }

  sample(data: Uint8Array): void {
    const body = new Uint8Array(4 + data.length);
    new DataView(body.buffer).setUint32(0, data.length, true);
    body.set(data, 4);
    this.record(PERF_RECORD_SAMPLE, body);
  }
}

function perf(start: bigint) {
  const { mapping } = sharedFile(PAGE_SIZE + SIZE);
  const writer = new PerfWriter(mapping, start);
  const buffer = new CpuBuffer(0, new Fd(-1), mapping);
  const samples: number[][] = [];
  let lost = 0;
  const read = (limit = Number.POSITIVE_INFINITY) =>
    buffer.consume(
      (memory, offset, length) => samples.push([...memory.u8.subarray(offset, offset + length)]),
      (_cpu, count) => {
        lost += count;
      },
      limit,
      { closed: false },
    );
  return { writer, buffer, samples, read, lost: () => lost };
}

for (const base of STARTS) {
  test(`perf: every record on both sides of position ${base}, whatever lies across the end`, () => {
    // 11 rounds of the buffer, of which the base is in the middle.
    const start = base === 0n ? 0n : base - BigInt(5 * SIZE) - 24n;
    const { writer, buffer, samples, read } = perf(start);
    const expected: number[][] = [];
    for (let i = 0; writer.head < start + BigInt(11 * SIZE); i++) {
      const data = Uint8Array.from({ length: 4 + ((i * 8) % 1200) }, (_, j) => (i + j) & 0xff);
      writer.sample(data);
      expected.push([...data]);
      expect(buffer.hasMore).toBe(true);
      if (i % 3 === 2) expect(read()).toBe(3);
    }
    read();
    expect(samples).toEqual(expected);
    expect([buffer.hasMore, writer.tail]).toEqual([false, writer.head]);
  });
}

test("perf: losses are told, other records passed over, a limit counts samples", () => {
  const { writer, samples, read, lost } = perf(0n);
  writer.record(PERF_RECORD_LOST, new Uint8Array(new BigUint64Array([9n, 70_000n]).buffer));
  writer.record(99, new Uint8Array(16));
  writer.sample(Uint8Array.of(1, 2, 3, 4));
  writer.sample(Uint8Array.of(5, 6, 7, 8));
  expect([read(1), read(1), read(1)]).toEqual([1, 1, 0]);
  expect(samples).toEqual([
    [1, 2, 3, 4],
    [5, 6, 7, 8],
  ]);
  expect(lost()).toBe(70_000);
});

for (const length of [0, 7, 1000, 0xffff]) {
  test(`perf: a record that says it has ${length} bytes is refused once, and later ones are read`, () => {
    const { writer, samples, read } = perf((1n << 32n) - 40n);
    writer.sample(Uint8Array.of(1, 1, 1, 1));
    writer.record(PERF_RECORD_SAMPLE, new Uint8Array(16), length);
    expect(read).toThrow(BpfRuntimeError);
    expect(writer.tail).toBe(writer.head);
    writer.sample(Uint8Array.of(2, 2, 2, 2));
    expect(read()).toBe(1);
    expect(samples).toEqual([
      [1, 1, 1, 1],
      [2, 2, 2, 2],
    ]);
  });
}

/** A ring in a file: consumer's page, producer's page, and the data twice, as the kernel maps it. */
function ring(start: bigint) {
  const { fd, mapping } = sharedFile(2 * PAGE_SIZE + 2 * SIZE);
  const { view, u8 } = mapping.memory;
  view.setBigUint64(0, start, true);
  view.setBigUint64(PAGE_SIZE, start, true);
  let position = start;
  const both = (at: number, byte: number) => {
    const offset = at % SIZE;
    u8[2 * PAGE_SIZE + offset] = byte;
    u8[2 * PAGE_SIZE + SIZE + offset] = byte;
  };
  /** `header`: the length with its flags, where it is to be another than the data's. */
  const write = (data: Uint8Array, header = data.length) => {
    const at = Number(position & BigInt(SIZE - 1));
    const bytes = [header & 0xff, (header >>> 8) & 0xff, (header >>> 16) & 0xff, header >>> 24, 0, 0, 0, 0, ...data];
    for (const [i, byte] of bytes.entries()) both(at + i, byte);
    position += BigInt((bytes.length + 7) & ~7);
    view.setBigUint64(PAGE_SIZE, position, true);
  };
  const map = { name: "ring", fd: { number: fd }, spec: { maxEntries: SIZE } } as unknown as BpfMap;
  const reader = new RingBuffer(map, () => undefined);
  opened.push(reader);
  const samples: number[][] = [];
  const read = () =>
    reader.consume((memory, offset, length) => samples.push([...memory.u8.subarray(offset, offset + length)]));
  return { write, read, samples, position: () => position, consumer: () => view.getBigUint64(0, true) };
}

for (const base of STARTS) {
  test(`ring: every record on both sides of position ${base}, whatever lies across the end`, () => {
    const start = base === 0n ? 0n : base - BigInt(5 * SIZE) - 24n;
    const { write, read, samples, position, consumer } = ring(start);
    const expected: number[][] = [];
    for (let i = 0; position() < start + BigInt(11 * SIZE); i++) {
      const data = Uint8Array.from({ length: 1 + ((i * 7) % 1200) }, (_, j) => (i + j) & 0xff);
      write(data);
      expected.push([...data]);
      if (i % 3 === 2) expect(read()).toBe(3);
    }
    read();
    expect(samples).toEqual(expected);
    expect(consumer()).toBe(position());
  });
}

test("ring: a record that passes the producer is refused once, and later ones are read", () => {
  for (const header of [24, 4000, 0x3fff_ffff]) {
    const { write, read, samples, position, consumer } = ring((1n << 32n) - 48n);
    write(Uint8Array.of(1));
    write(new Uint8Array(16), header);
    expect(read).toThrow(BpfRuntimeError);
    expect(consumer()).toBe(position());
    write(Uint8Array.of(2));
    expect(read()).toBe(1);
    expect(samples).toEqual([[1], [2]]);
  }
});
