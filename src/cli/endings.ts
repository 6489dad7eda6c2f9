// What ends a run: signals, time, a count, the command's end, a reader that is gone. The first one decides.

/** The status to end with, and whether the reader of standard output is still there. */
export interface Ending {
  readonly status: number;
}

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
/** Ended by a second signal: 128 + SIGINT. */
const IMPATIENT = 130;

export class Endings {
  #ending: Ending | undefined;
  #signals = 0;
  #onEnd = () => {};

  /** From the first moment, also as PID 1, where no signal has an effect without a handler. */
  listen(): void {
    for (const signal of SIGNALS) process.on(signal, () => this.#signal());
  }

  /** The first signal ends the run in order, a second one at once. */
  #signal(): void {
    if (++this.#signals > 1) process.exit(IMPATIENT);
    this.end({ status: 0 });
  }

  end(ending: Ending): void {
    if (this.#ending) return;
    this.#ending = ending;
    this.#onEnd();
  }

  /** `callback` is called at the end, at once if it is over already. */
  onEnd(callback: () => void): void {
    this.#onEnd = callback;
    if (this.#ending) callback();
  }

  get ending(): Ending | undefined {
    return this.#ending;
  }
}
