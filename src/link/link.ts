// BpfLink: an attachment that lives as long as its descriptors.

import type { Attachment } from "../program/hook.ts";
import type { Fd } from "../sys/fd.ts";

/** Closing it detaches; so does the end of the process, however it comes. */
export class BpfLink implements Attachment {
  readonly hook: string;
  readonly target: string;
  readonly means: string;
  readonly #fds: readonly Fd[];

  /** `fds` in the order in which they are to be closed. */
  constructor(hook: string, target: string, means: string, fds: readonly Fd[]) {
    this.hook = hook;
    this.target = target;
    this.means = means;
    this.#fds = fds;
  }

  close(): void {
    for (const fd of this.#fds) fd.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
