// BPF ring buffer (kernel/bpf/ringbuf.c): one page with the consumer's position, one with the producers', and the
// data mapped twice in a row, so that a record never wraps.
//
// A record is a header of 8 bytes (length with a BUSY and a DISCARD bit, page offset) and its data, rounded up to 8.
// Positions only grow; both sides work modulo 2^64, we modulo 2^32, which a ring's size divides.

import { BpfRuntimeError, type RecordDecoder } from "elf-loader";
import { BPF_RINGBUF_DISCARD_BIT, BPF_RINGBUF_HDR_SZ, PROT_READ, PROT_WRITE } from "elf-loader/uapi";
import type { BpfMap } from "../map/map.ts";
import { loadU32, PAGE_SIZE } from "../sys/libc.ts";
import type { Mapping } from "../sys/mapping.ts";
import { loadFence, WEAK_ORDER } from "./fence.ts";
import { mapPart } from "./map-part.ts";
import { type RecordCallback, RecordReader } from "./record-reader.ts";

const DISCARD = BPF_RINGBUF_DISCARD_BIT;
const LENGTH = 0x3fff_ffff;
const HEADER = BPF_RINGBUF_HDR_SZ;

/** Reader of one ring buffer map. The map must stay open. One reader a map: the position is shared. */
export class RingBuffer<T = unknown> extends RecordReader<T> {
  protected override readonly waitFd: number;
  /** Bytes. */
  readonly size: number;
  readonly #name: string;
  readonly #consumer: Mapping;
  readonly #consumerPosition: BigInt64Array;
  readonly #producer: Mapping;
  readonly #data: Mapping["memory"];
  #position: bigint;

  constructor(map: BpfMap, decode: RecordDecoder<T>, recordSize = 0) {
    super(decode, recordSize);
    this.#name = map.name;
    this.waitFd = map.fd.number;
    this.size = map.spec.maxEntries;
    this.#consumer = mapPart(map, PAGE_SIZE, PROT_READ | PROT_WRITE, 0);
    try {
      this.#producer = mapPart(map, PAGE_SIZE + 2 * this.size, PROT_READ, PAGE_SIZE);
    } catch (error) {
      this.#consumer.close();
      throw error;
    }
    this.#consumerPosition = new BigInt64Array(this.#consumer.memory.u8.buffer, 0, 1);
    this.#data = this.#producer.view(PAGE_SIZE, 2 * this.size);
    this.#position = Atomics.load(this.#consumerPosition, 0);
  }

  protected override drain(callback: RecordCallback, limit: number): number {
    const data = this.#data;
    const words = data.i32;
    const mask = this.size - 1;
    // Space is given back a quarter of the ring at a time: each time costs a barrier, and producers need it soon.
    const publishAfter = this.size >>> 2;
    const start = Number(BigInt.asIntN(32, this.#position));
    const producer = loadU32(this.#producer.address) | 0;
    if (WEAK_ORDER) loadFence();
    let position = start;
    let published = start;
    let count = 0;
    try {
      while (position !== producer && count < limit && !this.closed) {
        const offset = position & mask;
        const header = words[offset >>> 2] as number;
        if (header < 0) break; // BPF_RINGBUF_BUSY_BIT is the sign: reserved and not yet submitted
        if (WEAK_ORDER) loadFence();
        const length = header & LENGTH;
        const next = (position + ((length + HEADER + 7) & ~7)) | 0;
        if (((producer - next) | 0) < 0) {
          const place = position;
          position = producer; // what cannot be a record: all that is there now is given up, and said
          throw corrupt(this.#name, place, length);
        }
        position = next;
        if ((header & DISCARD) === 0) {
          count++;
          callback(data, offset + HEADER, length);
        }
        if (((position - published) | 0) >= publishAfter) {
          this.#publish((position - published) | 0);
          published = position;
        }
      }
    } finally {
      // Also where the callback throws: that record counts as read.
      if (position !== published) this.#publish((position - published) | 0);
    }
    return count;
  }

  /** A sequentially consistent store: a producer that sees the old position will wake us. */
  #publish(bytes: number): void {
    this.#position += BigInt(bytes);
    Atomics.store(this.#consumerPosition, 0, this.#position);
  }

  protected override unmap(): void {
    this.#consumer.close();
    this.#producer.close();
  }
}

function corrupt(name: string, position: number, length: number): BpfRuntimeError {
  const place = `0x${(position >>> 0).toString(16)}`;
  return new BpfRuntimeError(`Cannot read ring buffer ${name}: record of ${length} bytes at ${place} passes the end`, {
    subject: `map ${name}`,
    likely: "something else wrote the buffer's consumer page",
    action: "let one reader at a time have the map",
  });
}
