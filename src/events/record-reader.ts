// Readers of memory shared with the kernel: records are handed over where they lie.

import { BpfRuntimeError, type Memory, type RecordDecoder } from "elf-loader";
import { EventReader, TURN } from "./reader.ts";

/**
 * Gets a record where the kernel wrote it: `length` bytes at `offset` of `memory` (a multiple of 4). It may not keep
 * the memory: the kernel writes it again once the callback has returned.
 */
export type RecordCallback = (memory: Memory, offset: number, length: number) => void;

export abstract class RecordReader<T> extends EventReader<T> {
  readonly #decode: RecordDecoder<T>;
  readonly #size: number;
  #consuming = false;

  /** `size`: the bytes that `decode` looks at; a shorter record is not decoded. */
  protected constructor(decode: RecordDecoder<T>, size: number) {
    super();
    this.#decode = decode;
    this.#size = size;
  }

  /**
   * Hands over the records that are there now, in place, `limit` at most; how many. Never waits. The callback may close
   * the reader, which ends the read. Throws BpfRuntimeError where it is called by a callback of its own, which would get
   * the same records again.
   */
  consume(callback: RecordCallback, limit: number = Number.POSITIVE_INFINITY): number {
    if (this.closed) return 0;
    if (this.#consuming) throw new BpfRuntimeError("Cannot read buffer: its records are being handed over already");
    this.#consuming = true;
    try {
      return this.drain(callback, limit);
    } finally {
      this.#consuming = false;
      if (this.closed) this.unmap();
    }
  }

  /** What consume() does, until the reader is closed. */
  protected abstract drain(callback: RecordCallback, limit: number): number;

  /** Gives back the buffer's memory. */
  protected abstract unmap(): void;

  /** Not while a record is looked at: an access to memory that is gone ends the process. */
  protected override release(): void {
    if (!this.#consuming) this.unmap();
  }

  /** The same, decoded. Throws RangeError at a record that is too short for its type; it counts as read. */
  override read(callback: (value: T) => void, limit: number = TURN): number {
    const decode = this.#decode;
    const size = this.#size;
    return this.consume((memory, offset, length) => {
      if (length < size) throw new RangeError(`Cannot decode record of ${length} bytes: its type has ${size}`);
      callback(decode(memory, offset, length));
    }, limit);
  }
}
