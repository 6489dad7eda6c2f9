// One CPU's perf buffer: a page of positions (struct perf_event_mmap_page), then a power of two of data pages
// (kernel/events/ring_buffer.c). A record starts with a header of 8 bytes and may wrap around the end.

import { BpfRuntimeError, Memory } from "elf-loader";
import { PERF_RECORD_LOST, PERF_RECORD_SAMPLE, perf_event_mmap_page } from "elf-loader/uapi";
import type { Fd } from "../sys/fd.ts";
import { PAGE_SIZE } from "../sys/libc.ts";
import type { Mapping } from "../sys/mapping.ts";
import type { RecordCallback } from "./record-reader.ts";

const HEAD_WORD = (perf_event_mmap_page.fields.data_head?.[0] ?? 0) / 4;
const TAIL_OFFSET = perf_event_mmap_page.fields.data_tail?.[0] ?? 0;
const HEADER = 8; // struct perf_event_header: u32 type, u16 misc, u16 size
const RAW = HEADER + 4; // PERF_SAMPLE_RAW: u32 size, then the bytes
const LOST_COUNT = HEADER + 8; // PERF_RECORD_LOST: u64 id, u64 lost
const LARGEST_RECORD = 0x10000;

/** Where a record that wraps is put together; one for all, as records are read one at a time. */
const joined = new Memory(new ArrayBuffer(LARGEST_RECORD));

/** Told of records that the kernel had no room for. */
export type OnLost = (cpu: number, count: number) => void;

export class CpuBuffer implements Disposable {
  readonly cpu: number;
  readonly event: Fd;
  /** Nothing more will come: the kernel has turned the event off. */
  offline = false;
  readonly #mapping: Mapping;
  readonly #data: Memory;
  readonly #tail: BigInt64Array;
  #position: bigint;

  /** Takes over the event and its mapping (PROT_READ and PROT_WRITE: with it the kernel respects what is unread). */
  constructor(cpu: number, event: Fd, mapping: Mapping) {
    this.cpu = cpu;
    this.event = event;
    this.#mapping = mapping;
    this.#data = mapping.view(PAGE_SIZE, mapping.length - PAGE_SIZE);
    this.#tail = new BigInt64Array(mapping.memory.u8.buffer, TAIL_OFFSET, 1);
    this.#position = Atomics.load(this.#tail, 0);
  }

  /**
   * Samples in place, and how many records the kernel says it lost since, until `reader` is closed; at most `limit`
   * samples. How many.
   */
  consume(callback: RecordCallback, onLost: OnLost, limit: number, reader: { readonly closed: boolean }): number {
    const data = this.#data;
    const size = data.u8.byteLength;
    const start = Number(BigInt.asIntN(32, this.#position));
    const head = Atomics.load(this.#mapping.memory.i32, HEAD_WORD);
    let position = start;
    let count = 0;
    try {
      while (position !== head && count < limit && !reader.closed) {
        const offset = position & (size - 1);
        const type = data.u32[offset >>> 2] as number;
        const length = (data.u32[(offset >>> 2) + 1] as number) >>> 16;
        if (length < HEADER || ((head - (position + length)) | 0) < 0) {
          position = head; // what cannot be a record: all that is there now is given up, and said
          throw this.#corrupt(offset, length);
        }
        const wraps = offset + length > size;
        const memory = wraps ? join(data, offset, length) : data;
        const at = wraps ? 0 : offset;
        position = (position + length) | 0;
        if (type === PERF_RECORD_SAMPLE) {
          count++;
          callback(memory, at + RAW, memory.u32[(at + HEADER) >>> 2] as number);
        } else if (type === PERF_RECORD_LOST) {
          onLost(this.cpu, memory.u32[(at + LOST_COUNT) >>> 2] as number);
        }
      }
    } finally {
      this.#publish((position - start) | 0);
    }
    return count;
  }

  /** Whether the kernel has written more than was read. */
  get hasMore(): boolean {
    return Atomics.load(this.#mapping.memory.i32, HEAD_WORD) !== Number(BigInt.asIntN(32, this.#position));
  }

  #publish(bytes: number): void {
    if (bytes === 0) return;
    this.#position += BigInt(bytes);
    Atomics.store(this.#tail, 0, this.#position);
  }

  #corrupt(offset: number, length: number): BpfRuntimeError {
    const place = `0x${offset.toString(16)} of CPU ${this.cpu}`;
    return new BpfRuntimeError(`Cannot read perf buffer: record of ${length} bytes at ${place} is not one`, {
      likely: "something else wrote the buffer's first page",
      action: "report it with the kernel's version",
    });
  }

  close(): void {
    this.#mapping.close();
    this.event.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function join(data: Memory, offset: number, length: number): Memory {
  const first = data.u8.byteLength - offset;
  joined.u8.set(data.u8.subarray(offset));
  joined.u8.set(data.u8.subarray(0, length - first), first);
  return joined;
}
