// --mode map: how many events each user made, counted in the kernel and read from its hash map.

import mapObject from "../../../build/bpf/hello_map.bpf.o" with { type: "file" };
import { BpfHashMap } from "../../index.ts";
import { syscallMode } from "./syscall-mode.ts";
import { tableSource } from "./table-source.ts";

type Row = [uid: bigint, count: bigint];

export const map = syscallMode({
  name: "map",
  description: "a count for each user, from a hash map, every --interval seconds",
  object: mapObject,
  refreshes: true,
  uses: ["interval"],
  open(object, settings, report) {
    const table = object.map("counter_table", BpfHashMap<bigint, bigint>);
    return tableSource<Row[]>(
      {
        read: () => [...table].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)),
        total: (rows) => Number(rows.reduce((sum, [, count]) => sum + count, 0n)),
        show(rows) {
          const entries = rows.map(([key, value]) => ({ key, value }));
          report.map("counter_table", entries, () => rows.map(([uid, count]) => `ID ${uid}: ${count}\t`).join(""));
        },
      },
      settings,
    );
  },
});
