// What a feature of the kernel is, and the trying that all probes share.

import { close } from "../sys/libc.ts";
import { withMemlockRaised } from "../sys/memlock.ts";

/** One thing a kernel may or may not have. */
export interface Feature {
  readonly name: string;
  /** First kernel with it. */
  readonly since: string;
  /** Tries it; what it made is gone when it returns. */
  readonly probe: () => boolean;
}

/** Whether a call gave a descriptor, which is closed. */
export function succeeds(create: () => number): boolean {
  const fd = withMemlockRaised(create);
  if (fd >= 0) close(fd);
  return fd >= 0;
}
