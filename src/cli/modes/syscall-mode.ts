// The modes whose program runs at a system call's entry, by the first hook that the kernel allows.

import { readFileSync } from "node:fs";
import { type BpfObject, type LoadOptions, parseObject, SYSCALL_HOOKS, watchSyscall } from "../../index.ts";
import { readAccounts, recursionMisses } from "../accounts.ts";
import { configure } from "../configuration.ts";
import type { Report } from "../report.ts";
import type { Settings } from "../settings.ts";
import type { Mode, RunningMode, Source } from "./mode.ts";

/** What such a mode answers for itself. */
export interface SyscallMode extends Omit<Mode, "start"> {
  /** Where the embedded object is. */
  readonly object: string;
  /** Whether its events can say which container their process is in: struct hello_placed_event. */
  readonly places?: boolean;
  /** The one system call that it is about, whatever --syscall says. */
  readonly syscall?: string;
  /** Before load: what the options change in the object besides the configuration. */
  readonly prepare?: (spec: BpfObject["spec"], settings: Settings) => void;
  /** What must be possible until the end besides reading the accounts, tried: throws where it is not. */
  readonly needed?: (object: BpfObject) => void;
  /** What of loading is not the object's own to say. */
  readonly loadOptions?: (settings: Settings) => LoadOptions;
  /** After load, before the program is attached. */
  readonly open: (object: BpfObject, settings: Settings, report: Report) => Source;
}

export function syscallMode(row: SyscallMode): Mode {
  return { ...row, start: (settings, report) => start(row, settings, report) };
}

function specOf(row: SyscallMode, settings: Settings): BpfObject["spec"] {
  const spec = parseObject(readFileSync(row.object), `hello_${row.name.replaceAll("-", "_")}`);
  configure(spec, settings, { limited: !row.refreshes, placed: row.places === true });
  row.prepare?.(spec, settings);
  return spec;
}

/** The object attached, and what reads it, opened before the first event can come. */
function start(row: SyscallMode, given: Settings, report: Report): RunningMode {
  const settings = row.syscall === undefined ? given : { ...given, syscall: row.syscall };
  const spec = specOf(row, settings);
  const hooks = settings.attach === "auto" ? SYSCALL_HOOKS : [settings.attach];
  let source: Source | undefined;
  try {
    const ready = (loaded: BpfObject) => {
      source?.[Symbol.dispose]();
      source = row.open(loaded, settings, report);
    };
    const { object, link, ...attached } = watchSyscall(
      spec,
      settings.syscall,
      hooks,
      ready,
      row.loadOptions?.(settings),
    );
    const opened = source as unknown as Source;
    return {
      source: opened,
      attached: { ...attached, target: link.target, means: link.means },
      accounts: () => readAccounts(object),
      needed: () => row.needed?.(object),
      missed: () => recursionMisses(object) + (opened.missed?.() ?? 0),
      detach: () => link.close(),
      [Symbol.dispose]() {
        link.close();
        object.close();
        opened[Symbol.dispose]();
      },
    };
  } catch (error) {
    source?.[Symbol.dispose]();
    throw error;
  }
}
