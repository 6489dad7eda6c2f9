// What all readers of kernel events have in common: read what is there, wait for more, iterate, close.

import { PollerShare } from "./poller.ts";

/** Events at most in one turn, so that signals, timers and other streams get theirs. */
export const TURN = 4096;

/** A stream of events from the kernel. */
export abstract class EventReader<T> implements AsyncIterable<T>, Disposable {
  /** Had with the first wait: a reader that never waits needs no thread. */
  #poller: PollerShare | undefined;
  #closed = false;
  /** What a loop has read and not yet handed over, the last first. */
  readonly #taken: T[] = [];

  /** What epoll is asked about. */
  protected abstract readonly waitFd: number;

  /** Hands over what is there now, `limit` events at most; how many. Never waits. */
  abstract read(callback: (value: T) => void, limit?: number): number;

  /** Gives back what was taken from the kernel. */
  protected abstract release(): void;

  get closed(): boolean {
    return this.#closed;
  }

  /** Settles when there is something to read (sometimes though there is not), or after wake() or close(). */
  async wait(): Promise<void> {
    if (this.#closed) return;
    this.#poller ??= new PollerShare();
    await this.#poller.wait(this.waitFd);
  }

  /** Ends a wait. */
  wake(): void {
    this.#poller?.cancel(this.waitFd);
  }

  /** Every event from now on, until the reader is closed. Leaving the loop loses none: the next loop goes on behind it. */
  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    const taken = this.#taken;
    while (taken.length > 0 || !this.#closed) {
      if (taken.length > 0) yield taken.pop() as T;
      else if (this.#take() === 0) await this.wait();
    }
  }

  /** Reads for the loop; what comes before an event that cannot be read is kept too. */
  #take(): number {
    try {
      return this.read((value) => this.#taken.push(value), TURN);
    } finally {
      this.#taken.reverse();
    }
  }

  /** Gives back the memory; a wait ends. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#poller?.close();
    this.release();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
