// Modes queue and stack: events that the kernel keeps until they are asked for, every --interval seconds.

import { type BpfObject, BpfQueue } from "../../index.ts";
import { DEFAULT_INTERVAL_MS, IntervalTimer } from "../interval-timer.ts";
import { losses } from "../losses.ts";
import type { Report } from "../report.ts";
import type { Settings } from "../settings.ts";
import { type AnyEvent, eventSink } from "./event-source.ts";
import type { Source } from "./mode.ts";
import type { SyscallMode } from "./syscall-mode.ts";

/** What both have in common. */
export const ARRIVALS = {
  refreshes: false,
  places: true,
  uses: ["interval", "entries"],
  prepare(spec, { entries }) {
    const arrivals = spec.maps.get("arrivals");
    if (arrivals && entries) arrivals.maxEntries = entries;
  },
  open: arrivals,
} satisfies Partial<SyscallMode>;

function arrivals(object: BpfObject, { interval }: Settings, report: Report): Source {
  const map = object.map("arrivals", BpfQueue<AnyEvent>);
  const sink = eventSink(report);
  const timer = new IntervalTimer(interval ?? DEFAULT_INTERVAL_MS);
  const { look, finish } = losses(object, report, "map");
  let asking = false;
  let ended = false;
  return {
    read(limit) {
      if (!asking && !ended && !timer.due()) return 0;
      let count = 0;
      for (const event of map.popAll(limit)) {
        sink.show(event);
        count++;
      }
      if (count > 0) look();
      asking = count === limit; // there may be more: they are asked for at once
      return count;
    },
    wait: () => timer.wait(),
    wake() {
      ended = true;
      timer.wake();
    },
    received: sink.received,
    finish,
    [Symbol.dispose]: () => timer.wake(),
  };
}
