// Gives up every capability where somebody else uses the signal that tells threads to: prints what came of it as JSON.

import { dropPrivileges } from "../../../src/index.ts";
import { syscall } from "../../../src/sys/libc.ts";
import { SYSCALL_NUMBERS } from "../../../src/sys/syscall-numbers.ts";
import { threadPrivileges } from "../support.ts";

const SIGNAL = 32;
const action = new BigUint64Array([0x1000n, 0n, 0n, 0n]); // a handler that is never called: struct sigaction of the kernel
const set = syscall(SYSCALL_NUMBERS.get("rt_sigaction") ?? -1, SIGNAL, new Uint8Array(action.buffer), 0, 8);
if (set !== 0) throw new Error(`rt_sigaction gave ${set}`);
const dropped = dropPrivileges([], () => true);
const threads = threadPrivileges(process.pid).sort(
  (a, b) => Number(b.thread.endsWith(` ${process.pid}`)) - Number(a.thread.endsWith(` ${process.pid}`)),
);
console.log(
  JSON.stringify({ dropped, threads: threads.map(({ effective }) => ({ effective: effective.toString(16) })) }),
);
