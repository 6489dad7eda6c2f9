// Several streams of events read as one: each in its turn, waited for all at once.

/** Something that events come from. */
export interface Stream {
  /** Shows what is there now, `limit` at most; how many. Never waits. */
  read(limit: number): number;
  /** Settles when there may be more, or by wake(). */
  wait(): Promise<void>;
  wake(): void;
  close(): void;
}

export class Streams implements Stream {
  readonly #streams: readonly Stream[];
  /** The waits that are under way: one that has not come to its end is not begun again. */
  readonly #waits = new Map<Stream, Promise<void>>();
  #next = 0;

  constructor(streams: readonly Stream[]) {
    this.#streams = streams;
  }

  /** They take turns in being first, so that a busy one does not starve the others. */
  read(limit: number): number {
    let count = 0;
    for (let i = 0; i < this.#streams.length && count < limit; i++)
      count += this.#streams[(this.#next + i) % this.#streams.length]?.read(limit - count) ?? 0;
    this.#next++;
    return count;
  }

  async wait(): Promise<void> {
    await Promise.race(this.#streams.map((stream) => this.#wait(stream)));
  }

  #wait(stream: Stream): Promise<void> {
    const wait = this.#waits.get(stream) ?? stream.wait().finally(() => this.#waits.delete(stream));
    this.#waits.set(stream, wait);
    return wait;
  }

  wake(): void {
    for (const stream of this.#streams) stream.wake();
  }

  close(): void {
    for (const stream of this.#streams) stream.close();
  }
}
