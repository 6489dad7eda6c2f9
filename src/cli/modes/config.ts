// --mode config: a line for each event that passes the filters in a pinned map, which a second call changes while this
// one runs: `hello-ebpf config --uid 1000`.

import { existsSync, unlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { BpfHashMap, FolderLock, forbiddenByMode, PermissionError, SEARCH, WRITE } from "../../index.ts";
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
import type { Mode, RunningMode } from "./mode.ts";
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

/** What cannot be removed stays, which is said. */
function remove(path: string, report: Report): void {
  try {
    unlinkSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ENOENT") report.note(`${path} could not be removed (${code}): the next one shares it`);
  }
}

/** Starts, and says what the filters are. */
function startSaying(path: string, settings: Settings, report: Report): RunningMode {
  const running = row.start(settings, report);
  try {
    using filters = openFilters(path);
    report.note(`filters at ${path}: ${describeFilters(readFilters(filters))}`);
    return running;
  } catch (error) {
    running[Symbol.dispose]();
    throw error;
  }
}

/** Where a capability alone lets us write the folder it is kept until the map is taken away. */
function mustBeRemovable(path: string): void {
  const refusal = forbiddenByMode(dirname(path), WRITE | SEARCH);
  if (refusal) throw new PermissionError(`Cannot remove ${path}`, { call: "unlink()", subject: path, ...refusal });
}

/**
 * Who is the last to end takes the map away, whoever has pinned it: each that runs holds a lock of the folder. Where that
 * cannot be read, who has pinned it.
 */
export const config: Mode = {
  ...row,
  start(settings: Settings, report: Report) {
    const folder = folderOf(settings);
    const path = join(folder, FILTERS);
    const lock = FolderLock.open(folder);
    lock?.take();
    const found = existsSync(path);
    const leave = (mine: boolean) => {
      lock?.release(); // before it is asked who else is there: of two that end at once the later one sees nobody
      if (mine && !(lock?.isShared ?? found)) remove(path, report);
      lock?.close();
    };
    try {
      if (found) openFilters(path).close(); // before anything is written to what may be another's
      const running = startSaying(path, settings, report);
      return {
        ...running,
        needed() {
          running.needed?.();
          if (lock || !found) mustBeRemovable(path);
        },
        [Symbol.dispose]() {
          leave(true);
          running[Symbol.dispose]();
        },
      };
    } catch (error) {
      leave(!found && existsSync(path)); // what could not be pinned need not be removed
      throw error;
    }
  },
};
