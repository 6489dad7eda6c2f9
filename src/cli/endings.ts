// What ends a run: signals, time, a count, the command's end, a reader that is gone. The first one decides.

import { readFileSync } from "node:fs";
import { constants } from "node:os";

/** What a run comes to. */
export interface Ending {
  /** The status to end with. */
  readonly status: number;
}

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
/** Ended by a second signal: 128 + SIGINT. */
const IMPATIENT = 130;

export class Endings {
  #ending: Ending | undefined;
  #signals = 0;
  #onEnd = () => {};
  #onImpatience = () => {};

  /**
   * From the first moment, also as PID 1, where no signal has an effect without a handler. SIGHUP stays ignored where it
   * was: that is what nohup(1) is for.
   */
  listen(): void {
    for (const signal of SIGNALS)
      if (signal !== "SIGHUP" || process.pid === 1 || !isIgnored(signal)) process.on(signal, () => this.#signal());
  }

  /** The first signal ends the run in order, a second one at once. */
  #signal(): void {
    if (++this.#signals > 1) {
      this.#onImpatience();
      process.exit(IMPATIENT);
    }
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

  /** `callback` is called before a second signal ends the process at once. */
  onImpatience(callback: () => void): void {
    this.#onImpatience = callback;
  }

  get ending(): Ending | undefined {
    return this.#ending;
  }
}

/** Whether who started us had the signal ignored (SigIgn of proc_pid_status(5), bit 0 for signal 1). */
function isIgnored(signal: NodeJS.Signals): boolean {
  try {
    const mask = /^SigIgn:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "0";
    return ((BigInt(`0x${mask}`) >> BigInt(constants.signals[signal] - 1)) & 1n) === 1n;
  } catch {
    return false;
  }
}
