// A command besides the modes: `hello-ebpf NAME …`. One file a command, one line in the list of index.ts.

import type { Endings } from "../endings.ts";
import type { Output } from "../output.ts";
import type { Report } from "../report.ts";
import type { Format } from "../settings.ts";

/** What a command works with. */
export interface Surroundings {
  /** Standard output: whole lines, written by flush(). */
  readonly output: Output;
  /** Notes on standard error, records as JSON lines. */
  readonly report: Report;
  /** What ends a command that goes on until it is stopped. */
  readonly endings: Endings;
}

/** A command line that was understood, ready to run. */
export interface Prepared {
  /** How it prints. */
  readonly format: Format;
  /** Whether an error comes with the verifier's log. */
  readonly verbose?: boolean;
  /** The status to end with. Throws BpfError, UsageError or StatusError. */
  run(surroundings: Surroundings): number | Promise<number>;
}

export interface Command {
  readonly name: string;
  /** One line of the help. */
  readonly description: string;
  /** What follows NAME, understood; undefined where --help was all. Throws UsageError. */
  readonly prepare: (argv: readonly string[]) => Prepared | undefined;
}
