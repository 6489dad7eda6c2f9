// --mode config: a line for each event that passes the filters in a pinned map, which a second call changes while this
// one runs: `hello-ebpf config --uid 1000`.

import { existsSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { BpfHashMap } from "../../index.ts";
import {
  configObject,
  DEFAULT_PIN_FOLDER,
  describeFilters,
  FILTERS,
  type FilterMap,
  hasFilters,
  openFilters,
  readFilters,
  writeFilters,
} from "../filters.ts";
import type { Report } from "../report.ts";
import type { Settings } from "../settings.ts";
import { type AnyEvent, eventSource, eventStruct } from "./event-source.ts";
import type { Mode } from "./mode.ts";
import { syscallMode } from "./syscall-mode.ts";

const folderOf = ({ pin }: Settings) => pin ?? DEFAULT_PIN_FOLDER;

const row = syscallMode({
  name: "config",
  description: "a line for each event that passes filters which hello-ebpf config changes meanwhile",
  object: configObject,
  refreshes: false,
  places: true,
  uses: ["pin"],
  loadOptions: (settings) => ({ pinPath: folderOf(settings) }),
  prepare(spec) {
    // The map has these filters, not the program's constants.
    for (const filter of ["uid", "comm"]) spec.globals.set(`config.filter_${filter}`, false);
  },
  open(object, settings, report) {
    const filters = object.map(FILTERS, BpfHashMap) as FilterMap;
    if (hasFilters(settings)) writeFilters(filters, settings);
    return eventSource(object.ringBuffer<AnyEvent>("events", eventStruct(settings)), report);
  },
});

/** What cannot be removed stays, which is said: by now the capability to write another user's folder may be given up. */
function remove(path: string, report: Report): void {
  try {
    unlinkSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ENOENT") report.note(`${path} could not be removed (${code}): the next one shares it`);
  }
}

/** Who has pinned the map takes it away in the end; what was there before stays, for those who share it. */
export const config: Mode = {
  ...row,
  start(settings: Settings, report: Report) {
    const path = join(folderOf(settings), FILTERS);
    const shared = existsSync(path);
    const unpin = () => shared || remove(path, report);
    try {
      const running = row.start(settings, report);
      using filters = openFilters(path);
      report.note(`filters at ${path}: ${describeFilters(readFilters(filters))}`);
      return {
        ...running,
        [Symbol.dispose]() {
          unpin();
          running[Symbol.dispose]();
        },
      };
    } catch (error) {
      if (existsSync(path)) unpin(); // what could not be pinned need not be removed
      throw error;
    }
  },
};
