// What an object has to show: its events as they come, its tables every --interval.

import { DEFAULT_INTERVAL_MS, IntervalTimer } from "../interval-timer.ts";
import type { Source } from "../modes/mode.ts";
import type { Report } from "../report.ts";
import type { RunSettings } from "../settings.ts";
import { type Stream, Streams } from "./stream.ts";
import type { Table } from "./table.ts";

/** Without streams --count counts refreshes. Of events no more than --count are read: the rest stays where it is. */
export function objectSource(
  streams: readonly Stream[],
  tables: readonly Table[],
  settings: RunSettings,
  report: Report,
): Source {
  const events = new Streams(streams);
  const timer = new IntervalTimer(settings.interval ?? DEFAULT_INTERVAL_MS);
  const show = () => {
    for (const table of tables) table.show(report);
  };
  let [received, refreshes] = [0, 0];
  return {
    read(limit) {
      const room = streams.length > 0 && settings.count !== undefined ? settings.count - received : limit;
      const count = events.read(Math.min(limit, room));
      received += count;
      if (tables.length === 0 || !timer.due()) return count;
      // The last of --count is shown by finish(), when nothing is counted any more.
      const last = streams.length === 0 && ++refreshes === settings.count;
      if (!last) show();
      return streams.length === 0 ? 1 : count;
    },
    wait: () => Promise.race([...(streams.length > 0 ? [events.wait()] : []), timer.wait()]),
    wake() {
      events.wake();
      timer.wake();
    },
    received: () => received,
    finish: show,
    [Symbol.dispose]() {
      events.close();
      timer.wake();
    },
  };
}
