// What a mode answers for itself; one file a mode, one line in the list of index.ts.

import type { Accounts } from "../accounts.ts";
import type { Attached, Report } from "../report.ts";
import type { CallOption, OwnOption, Settings } from "../settings.ts";

/** What a mode reads, from the moment its program is loaded until its last word. */
export interface Source extends Disposable {
  /** Reports what is there now, `limit` events (or refreshes) at most; how many. Never waits. */
  read(limit: number): number;
  /** Settles when there may be more, or by wake(). */
  wait(): Promise<void>;
  wake(): void;
  /** How many of the program's events have reached user space. */
  received(): number;
  /** How many the kernel says it dropped after the program had handed them over; it may count those of others too. */
  dropped?(): number;
  /** How often the kernel passed over programs of its own, as Running's. */
  missed?(): number;
  /** Called once, when nothing more will come. */
  finish?(): void;
}

/** Programs that are attached. Disposing it gives back everything: links, maps, programs, and what reads them. */
export interface Running extends Disposable {
  readonly source: Source;
  /** What the programs produced until now, and what of it they could not hand over. */
  accounts(): Accounts;
  /** What must be possible until the end besides, tried: throws where it is not. */
  needed?(): void;
  /** How often the kernel passed a program over because it was already running on that CPU. */
  missed(): number;
  /** Lets nothing more be produced; what is in buffers and maps can still be read. */
  detach(): void;
}

export interface RunningMode extends Running {
  /** How it was attached, for whoever wants to know. */
  readonly attached: Attached;
}

export interface Mode {
  readonly name: string;
  /** One line of the help. */
  readonly description: string;
  /** Whether --count counts refreshes by time, and so cannot be kept in the kernel. */
  readonly refreshes: boolean;
  /** Which of the options for some modes only it has a use for. */
  readonly uses: readonly OwnOption[];
  /** What of that which chooses among calls has no effect on it. */
  readonly ignores?: readonly CallOption[];
  /** Loads, opens what reads, attaches. Throws BpfError or UsageError; then nothing is left behind. */
  readonly start: (settings: Settings, report: Report) => RunningMode;
}
