// BPF user ring buffer (kernel/bpf/ringbuf.c, 6.1): a ring buffer the other way round. User space is the one producer, a
// program takes records out by bpf_user_ringbuf_drain(). The layout is that of the ring buffer: one page with the
// consumer's position, here read-only, one with the producer's, and the data mapped twice in a row.

import { BpfRuntimeError } from "elf-loader";
import { BPF_RINGBUF_HDR_SZ, PROT_READ, PROT_WRITE } from "elf-loader/uapi";
import type { BpfMap } from "../map/map.ts";
import { loadU32, PAGE_SIZE } from "../sys/libc.ts";
import type { Mapping } from "../sys/mapping.ts";
import { mapPart } from "./map-part.ts";

/** Writer of one user ring buffer map. The map must stay open. One writer a map: the position is its own. */
export class UserRingBuffer<T = Uint8Array> implements Disposable {
  /** Bytes, headers of 8 bytes a record included. */
  readonly size: number;
  readonly #subject: string;
  readonly #encode: (value: T) => Uint8Array;
  readonly #consumer: Mapping;
  readonly #producer: Mapping;
  readonly #producerPosition: BigInt64Array;
  readonly #data: Mapping["memory"];
  #position: bigint;
  #closed = false;

  constructor(map: BpfMap, encode: (value: T) => Uint8Array) {
    this.size = map.spec.maxEntries;
    this.#subject = `map ${map.name}`;
    this.#encode = encode;
    this.#consumer = mapPart(map, PAGE_SIZE, PROT_READ, 0);
    try {
      this.#producer = mapPart(map, PAGE_SIZE + 2 * this.size, PROT_READ | PROT_WRITE, PAGE_SIZE);
    } catch (error) {
      this.#consumer.close();
      throw error;
    }
    this.#producerPosition = new BigInt64Array(this.#producer.memory.u8.buffer, 0, 1);
    this.#data = this.#producer.view(PAGE_SIZE, 2 * this.size);
    this.#position = Atomics.load(this.#producerPosition, 0);
  }

  /** Bytes that the program has not taken yet. Throws BpfRuntimeError once it is closed, as write() does. */
  get pending(): number {
    if (this.#closed)
      throw new BpfRuntimeError(`Cannot use the user ring buffer of ${this.#subject}: it is closed`, {
        subject: this.#subject,
      });
    return (Number(BigInt.asIntN(32, this.#position)) - loadU32(this.#consumer.address)) >>> 0;
  }

  /**
   * Hands a record over; false where there is no room for it until the program has taken more. A record larger than the
   * buffer is a RangeError.
   */
  write(value: T): boolean {
    const bytes = this.#encode(value);
    const length = (bytes.byteLength + BPF_RINGBUF_HDR_SZ + 7) & ~7;
    if (length > this.size)
      throw new RangeError(`Cannot write ${bytes.byteLength} bytes: the user ring buffer has ${this.size}`);
    if (length > this.size - this.pending) return false;
    const at = Number(BigInt.asUintN(32, this.#position)) & (this.size - 1);
    this.#data.u8.set(bytes, at + BPF_RINGBUF_HDR_SZ);
    this.#data.u32[at >>> 2] = bytes.byteLength;
    this.#data.u32[(at >>> 2) + 1] = 0;
    // Sequentially consistent: who sees the position sees the record. Nothing is ever announced that is not whole.
    this.#position += BigInt(length);
    Atomics.store(this.#producerPosition, 0, this.#position);
    return true;
  }

  close(): void {
    this.#closed = true;
    this.#consumer.close();
    this.#producer.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
