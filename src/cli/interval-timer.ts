// When tables are shown: every --interval seconds.

export const DEFAULT_INTERVAL_MS = 2000;

/** Comes due every `interval` milliseconds, without drifting; what was missed is left out. */
export class IntervalTimer {
  readonly #interval: number;
  #next: number;
  #wake = () => {};

  constructor(interval: number) {
    this.#interval = interval;
    this.#next = performance.now() + interval;
  }

  due(): boolean {
    const now = performance.now();
    if (now < this.#next) return false;
    this.#next += this.#interval * Math.ceil((now - this.#next + 1) / this.#interval);
    return true;
  }

  wait(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, Math.max(0, Math.ceil(this.#next - performance.now())));
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  wake(): void {
    this.#wake();
  }
}
