// The modes that show a table every --interval seconds share when it is read and shown.

import { DEFAULT_INTERVAL_MS, IntervalTimer } from "../interval-timer.ts";
import type { Settings } from "../settings.ts";
import type { Source } from "./mode.ts";

/** What of it is the mode's own. */
export interface Table<Rows> {
  /** The table as it is in the kernel now. */
  read(): Rows;
  /** How many events are in it. */
  total(rows: Rows): number;
  /** Reports it, as one refresh. */
  show(rows: Rows): void;
  /** Whether the kernel may have dropped some that were in it; where nothing is said it drops none. */
  forgets?(rows: Rows): boolean;
}

/** Shows the table whenever it is due, and at the end as it was when the accounts agreed. */
export function tableSource<Rows>(table: Table<Rows>, { interval, count }: Settings): Source {
  let rows = table.read();
  const timer = new IntervalTimer(interval ?? DEFAULT_INTERVAL_MS);
  let refreshes = 0;
  let ended = false;
  const { forgets } = table;
  // Whatever is missing at the end; before, it is no business of anybody's.
  const dropped = forgets && (() => (ended && forgets(rows) ? Number.POSITIVE_INFINITY : 0));
  return {
    read() {
      if (ended || refreshes === count || !timer.due()) return 0;
      // The last of --count is shown by finish(), when nothing is counted any more: it agrees with the summary.
      if (++refreshes !== count) {
        rows = table.read();
        table.show(rows);
      }
      return 1;
    },
    wait: () => timer.wait(),
    wake() {
      ended = true;
      timer.wake();
    },
    received() {
      rows = table.read();
      return table.total(rows);
    },
    ...(dropped && { dropped }),
    finish: () => table.show(rows),
    [Symbol.dispose]: () => timer.wake(),
  };
}
