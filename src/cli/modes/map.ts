// --mode map: how many events each user made, counted in the kernel and read from its hash map.

import mapObject from "../../../build/bpf/hello_map.bpf.o" with { type: "file" };
import { BpfHashMap } from "../../index.ts";
import type { Source } from "./mode.ts";
import { syscallMode } from "./syscall-mode.ts";

const DEFAULT_INTERVAL_MS = 2000;

type Row = [uid: bigint, count: bigint];

/** Rows in order of user id. */
function readTable(table: BpfHashMap): Row[] {
  return ([...table.entries()] as Row[]).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
}

export const map = syscallMode({
  name: "map",
  description: "a count for each user, from a hash map, every --interval seconds",
  object: mapObject,
  refreshes: true,
  uses: ["interval"],
  open(object, options, report): Source {
    const table = object.map("counter_table");
    if (!(table instanceof BpfHashMap)) throw new Error("counter_table is not a hash map");
    let rows: Row[] = [];
    const show = () => {
      const entries = rows.map(([key, value]) => ({ key, value }));
      report.map("counter_table", entries, () => rows.map(([uid, count]) => `ID ${uid}: ${count}\t`).join(""));
    };
    const timer = new IntervalTimer(options.interval ?? DEFAULT_INTERVAL_MS);
    let refreshes = 0;
    return {
      read() {
        if (refreshes === options.count || !timer.due()) return 0;
        // The last of --count is shown by finish(), when nothing is counted any more: it agrees with the summary.
        if (++refreshes !== options.count) {
          rows = readTable(table);
          show();
        }
        return 1;
      },
      wait: () => timer.wait(),
      wake: () => timer.wake(),
      received() {
        rows = readTable(table);
        return Number(rows.reduce((sum, [, count]) => sum + count, 0n));
      },
      finish: show, // the table as it was when the accounts agreed
      [Symbol.dispose]: () => timer.wake(),
    };
  },
});

/** Comes due every `interval` milliseconds, without drifting; what was missed is left out. */
class IntervalTimer {
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
