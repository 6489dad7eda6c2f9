// What a mode answers for itself; one file a mode, one line in the list of index.ts.

import type { BpfObject } from "../../index.ts";
import type { Report } from "../report.ts";
import type { Options } from "../settings.ts";

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
  /** Called once, when nothing more will come. */
  finish?(): void;
}

export interface Mode {
  readonly name: string;
  /** One line of the help. */
  readonly description: string;
  /** Where the embedded object is. */
  readonly object: string;
  /** Whether --count counts refreshes by time, and so cannot be kept in the kernel. */
  readonly refreshes: boolean;
  /** Which of the options for some modes only it has a use for. */
  readonly uses: readonly ("interval" | "bufferSize")[];
  /** Whether its events can say which container their process is in: struct hello_placed_event. */
  readonly places?: boolean;
  /** Before load: what the options change in the object besides the configuration. */
  readonly prepare?: (spec: BpfObject["spec"], options: Options) => void;
  /** After load, before the program is attached. */
  readonly open: (object: BpfObject, options: Options, report: Report) => Source;
}
