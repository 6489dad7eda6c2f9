// System calls made by other threads of this process, as libc makes setuid(2) of all: a signal handler makes them.
//
// Capabilities, no_new_privs and the like belong to threads, and no call changes another thread's. JavaScript cannot be a
// handler on a thread that it does not know, so the handler is a few instructions in a page of their own (thread-code.ts).
// bun:ffi makes code at run time too: where a policy forbids that, this module is never reached.
// Sources: signal(7), sigreturn(2), struct sigaction of asm/signal.h.

import {
  EBUSY,
  MAP_ANONYMOUS,
  MAP_PRIVATE,
  PROT_EXEC,
  PROT_READ,
  PROT_WRITE,
  SA_ONSTACK,
  SA_RESTART,
  SA_RESTORER,
} from "elf-loader/uapi";
import { memoryAt, mmap, munmap, PAGE_SIZE, syscall } from "./libc.ts";
import { SYSCALL_NUMBERS } from "./syscall-numbers.ts";
import { HANDLER_CODE, handlerBytes, TABLE_AT } from "./thread-code.ts";

/** A system call: its name and its first two arguments; others are 0. Bytes are copied, and given by their address. */
export type ThreadCall = readonly [name: string, first: number | Uint8Array, second?: number | Uint8Array];

/**
 * The one signal that no thread blocks and nobody here uses: some of the runtime's threads block all that libc lets them.
 * Both C libraries keep it to themselves and leave it alone until a thread is cancelled (glibc) or a timer starts one (musl).
 */
const SIGNAL = 32;
const SIGSET_BYTES = 8;
const ENTRY_BYTES = 24;
const SIG_DFL = 0; // asm-generic/signal-defs.h
const SIG_IGN = 1;

const number = (name: string): number => SYSCALL_NUMBERS.get(name) ?? -1;
const words = (...values: number[]) => new Uint8Array(new BigInt64Array(values.map(BigInt)).buffer);

/** The page's bytes where it lies at `address`: code, table, and behind it what is given as bytes. */
function pageAt(address: number, code: Uint8Array, calls: readonly ThreadCall[]): Uint8Array {
  const page = new Uint8Array(PAGE_SIZE);
  let free = TABLE_AT + ENTRY_BYTES * (calls.length + 1);
  const argument = (given: number | Uint8Array) => {
    if (typeof given === "number") return given;
    const at = free;
    page.set(given, at);
    free += Math.ceil(given.length / 8) * 8;
    return address + at;
  };
  const table = calls.map(([name, first, second = 0]) => words(number(name), argument(first), argument(second)));
  page.set(code);
  [...table, words(-1)].forEach((entry, index) => {
    page.set(entry, TABLE_AT + ENTRY_BYTES * index);
  });
  return page;
}

/** struct sigaction of the kernel, the same on both architectures: handler, flags, restorer, mask; a word each. */
const sigaction = (action: Uint8Array | 0, old: Uint8Array | 0): number =>
  syscall(number("rt_sigaction"), SIGNAL, action, old, SIGSET_BYTES);

let installed = 0;

/**
 * From now on a thread that is told makes these calls. 0 or -errno: -EBUSY where somebody else uses the signal, -EACCES or
 * -EPERM where a security policy allows no new code. The page stays as long as the process: a thread may come to it late.
 */
export function installThreadCalls(calls: readonly ThreadCall[]): number {
  const handler = HANDLER_CODE[process.arch];
  const old = new BigUint64Array(4);
  const asked = sigaction(0, new Uint8Array(old.buffer));
  if (asked < 0) return asked;
  if (!handler || ![SIG_DFL, SIG_IGN, installed].includes(Number(old[0]))) return -EBUSY;
  const address = mmap(PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (address < 0) return address;
  memoryAt(address, PAGE_SIZE).u8.set(pageAt(address, handlerBytes(handler), calls));
  // It is never writable and executable at once. On arm64 the kernel makes the caches agree where code appears.
  const executable = syscall(number("mprotect"), address, PAGE_SIZE, PROT_READ | PROT_EXEC);
  const every = -1; // no other signal comes while it runs
  const action = words(address, SA_RESTART | SA_ONSTACK | SA_RESTORER, address + handler.restorerAt, every);
  const result = executable < 0 ? executable : sigaction(action, 0);
  if (result < 0) munmap(address, PAGE_SIZE);
  else installed = address;
  return result;
}

/** Makes a call itself: its result or -errno. */
export const makeCall = ([name, first, second]: ThreadCall): number => syscall(number(name), first, second);

/** Has a thread of this process make the calls, soon: 0 or -errno, -ESRCH where it has ended. */
export function tellThread(tid: number): number {
  return syscall(number("tgkill"), process.pid, tid, SIGNAL);
}

/** This thread's number, as in /proc/self/task. */
export const gettid = (): number => syscall(number("gettid"));
