// What `hello-ebpf run` is told.

import type { RunSettings } from "../settings.ts";

type Pairs = readonly (readonly [name: string, value: string])[];

export interface ObjectSettings extends RunSettings {
  readonly file: string;
  /** The struct of the records of a buffer, by its map. */
  readonly event: Pairs;
  /** Global variables, their values as text. */
  readonly set: Pairs;
  /** What a program is attached to whose section does not say it. */
  readonly target: Pairs;
  /** Whether one attach that fails ends it. */
  readonly strict: boolean;
  /** Whether the lines of bpf_printk are shown. */
  readonly trace: boolean;
  /** The types to relocate against. */
  readonly btf?: string;
}
