// --mode map: how many events each user made, counted in the kernel and read from its hash map.

import mapObject from "../../../build/bpf/hello_map.bpf.o" with { type: "file" };
import { BpfHashMap } from "../../index.ts";
import { DEFAULT_INTERVAL_MS, IntervalTimer } from "../interval-timer.ts";
import type { Source } from "./mode.ts";
import { syscallMode } from "./syscall-mode.ts";

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
