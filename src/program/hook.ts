// What a kind of hook answers for itself; src/link/ has one file a hook.

import type { ProgramSpec } from "elf-loader";
import type { Fd } from "../sys/fd.ts";
import type { Fields } from "../sys/struct.ts";

/** What a hook needs of a program that the verifier has accepted. */
export interface LoadedProgram {
  readonly name: string;
  readonly spec: ProgramSpec;
  readonly fd: Fd;
}

/** A program attached to a hook, for as long as it is not closed. */
export interface Attachment extends Disposable {
  /** The kind of hook: "kprobe". */
  readonly hook: string;
  /** What it is attached to, as the kernel names it. */
  readonly target: string;
  /** By what means, where there are several: "link", "ioctl". */
  readonly means?: string;
  close(): void;
}

/** One kind of hook. */
export interface Hook {
  /** As in the rows of the section table of elf-loader. */
  readonly name: string;
  /** What bpf(BPF_PROG_LOAD) must be told of the target. */
  readonly loadFields?: (spec: ProgramSpec) => Fields;
  /** Throws AttachError, PermissionError or UnsupportedError. */
  readonly attach: (program: LoadedProgram, target: string) => Attachment;
}
