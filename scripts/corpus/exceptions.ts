// Differences from libbpf that have a reason. A row is a difference that was looked into; what is not here is a defect.

import type { Difference } from "./verdicts.ts";

interface Exception {
  /** Kernels, objects and programs it holds for. */
  readonly kernel: RegExp;
  readonly object: RegExp;
  readonly program: RegExp;
  readonly reason: string;
}

const EXCEPTIONS: readonly Exception[] = [];

/** Why the two may differ here; undefined where they may not. */
export function reasonOf(kernel: string, { object, program }: Difference): string | undefined {
  return EXCEPTIONS.find((row) => row.kernel.test(kernel) && row.object.test(object) && row.program.test(program))
    ?.reason;
}
