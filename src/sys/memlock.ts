// RLIMIT_MEMLOCK: before 5.11 the memory of maps and programs counts against it (later: the memory cgroup).

import { EPERM, RLIM64_INFINITY, RLIMIT_MEMLOCK } from "elf-loader/uapi";
import { getrlimit, setrlimit } from "./libc.ts";

/** RLIM_INFINITY */
export const UNLIMITED: bigint = RLIM64_INFINITY;

/**
 * Does `create`; where the answer is -EPERM, which is also what a limit too small gives, once more with the limit
 * raised. The raised limit stays only if it helped: elsewhere it is put back.
 */
export function withMemlockRaised(create: () => number): number {
  const first = create();
  if (first !== -EPERM) return first;
  const before = new BigUint64Array(2);
  if (getrlimit(RLIMIT_MEMLOCK, before) < 0 || before[0] === UNLIMITED) return first;
  if (setrlimit(RLIMIT_MEMLOCK, new BigUint64Array([UNLIMITED, UNLIMITED])) < 0) return first;
  const second = create();
  if (second === -EPERM) setrlimit(RLIMIT_MEMLOCK, before);
  return second;
}
