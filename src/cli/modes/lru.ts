// --mode lru: the commands that made most events, from an LRU hash map for each CPU: bounded, however many there are.

import object from "../../../build/bpf/hello_lru.bpf.o" with { type: "file" };
import { BpfPerCpuHashMap } from "../../index.ts";
import { escapeText } from "../escape.ts";
import { syscallMode } from "./syscall-mode.ts";
import { tableSource } from "./table-source.ts";

const DEFAULT_TOP = 10;

interface Row {
  readonly command: string;
  readonly count: bigint;
}

const byCount = (a: Row, b: Row) => (a.count > b.count ? -1 : a.count < b.count ? 1 : a.command < b.command ? -1 : 1);

export const lru = syscallMode({
  name: "lru",
  description: "the --top commands by their number of events, from an LRU hash map",
  object,
  refreshes: true,
  uses: ["interval", "top", "entries"],
  prepare(spec, { entries }) {
    const commands = spec.maps.get("commands");
    if (commands && entries) commands.maxEntries = entries;
  },
  open(loaded, settings, report) {
    const table = loaded.map("commands", BpfPerCpuHashMap<{ name: string }, bigint>);
    const top = settings.top ?? DEFAULT_TOP;
    return tableSource<Row[]>(
      {
        read: () => [...table].map(([{ name }, counts]) => ({ command: name, count: counts.sum() })).sort(byCount),
        total: (rows) => Number(rows.reduce((sum, { count }) => sum + count, 0n)),
        show(rows) {
          const shown = rows.slice(0, top);
          const entries = shown.map(({ command, count }) => ({ key: command, value: count }));
          report.map("commands", entries, () =>
            shown.map(({ command, count }) => `${escapeText(command)}: ${count}\t`).join(""),
          );
        },
        // The kernel forgets some before the map is full: CPUs keep free entries of their own.
        forgets: (rows) => rows.length * 2 >= table.spec.maxEntries,
      },
      settings,
    );
  },
});
