// The modes whose program runs at a system call's entry, by the first hook that the kernel allows.

import { readFileSync } from "node:fs";
import {
  type BpfObject,
  type LoadOptions,
  parseObject,
  SYSCALL_HOOKS,
  type WatchedSyscall,
  watchSyscall,
} from "../../index.ts";
import { readAccounts } from "../accounts.ts";
import { configure } from "../configuration.ts";
import type { Report } from "../report.ts";
import { DEFAULT_SYSCALL, type Settings } from "../settings.ts";
import type { Mode, RunningMode, Source } from "./mode.ts";

/** What such a mode answers for itself. */
export interface SyscallMode extends Omit<Mode, "start"> {
  /** Where the embedded object is. */
  readonly object: string;
  /** Whether its events can say which container their process is in: struct hello_placed_event. */
  readonly places?: boolean;
  /** The one system call that it is about, whatever --syscall says. */
  readonly syscall?: string;
  /** Another call that the same program watches by the same hook, writing these maps of the first one's. */
  readonly also?: { readonly syscall: string; readonly shared: readonly string[] };
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

/** Of all programs that were loaded. */
export const recursionMisses = (object: BpfObject): number =>
  [...object.programs.values()].reduce((sum, program) => sum + program.recursionMisses(), 0);

function watchAlso(
  row: SyscallMode,
  { syscall, shared }: NonNullable<SyscallMode["also"]>,
  settings: Settings,
  first: WatchedSyscall,
): WatchedSyscall {
  const reuse = Object.fromEntries(shared.map((name) => [name, first.object.map(name)]));
  return watchSyscall(specOf(row, { ...settings, syscall }), syscall, [first.hook], () => {}, { reuse });
}

/** The object attached, and what reads it, opened before the first event can come. */
function start(row: SyscallMode, given: Settings, report: Report): RunningMode {
  const settings = row.syscall === undefined ? given : { ...given, syscall: row.syscall };
  if (settings.syscall !== given.syscall && given.syscall !== DEFAULT_SYSCALL)
    report.note(`--syscall has no effect in ${row.name} mode`);
  const spec = specOf(row, settings);
  const hooks = settings.attach === "auto" ? SYSCALL_HOOKS : [settings.attach];
  let source: Source | undefined;
  try {
    const ready = (loaded: BpfObject) => {
      source?.[Symbol.dispose]();
      source = row.open(loaded, settings, report);
    };
    const first = watchSyscall(spec, settings.syscall, hooks, ready, row.loadOptions?.(settings));
    const { object, link, ...attached } = first;
    const opened = source as unknown as Source;
    const watched = [first];
    const detach = () => {
      for (const one of watched) one.link.close();
    };
    const close = () => {
      detach();
      for (const one of watched) one.object.close();
    };
    try {
      if (row.also) watched.push(watchAlso(row, row.also, settings, first));
    } catch (error) {
      close();
      throw error;
    }
    return {
      source: opened,
      attached: { ...attached, target: link.target, means: link.means },
      accounts: () => readAccounts(object),
      needed: () => row.needed?.(object),
      missed: () => watched.reduce((sum, one) => sum + recursionMisses(one.object), opened.missed?.() ?? 0),
      detach,
      [Symbol.dispose]() {
        close();
        opened[Symbol.dispose]();
      },
    };
  } catch (error) {
    source?.[Symbol.dispose]();
    throw error;
  }
}
