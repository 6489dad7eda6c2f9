// System calls by name: their numbers here, the kernel functions that are their entries, and how a 32-bit task
// is told from a 64-bit one.

import { SYSCALL_NUMBERS } from "../sys/syscall-numbers.ts";
import { symbolAddresses } from "./kernel-symbols.ts";
import { vmlinuxBtf } from "./vmlinux-btf.ts";

/** Where the entry's function is not called after the system call (arch/x86/entry/syscalls/syscall_64.tbl and its like). */
const ENTRY_NAMES: { readonly [syscall: string]: string } = {
  stat: "newstat",
  fstat: "newfstat",
  lstat: "newlstat",
  uname: "newuname",
  sendfile: "sendfile64",
  umount2: "umount",
  ...(process.arch === "arm64" ? { fadvise64: "fadvise64_64", personality: "arm64_personality" } : {}),
};

/** CONFIG_ARCH_HAS_SYSCALL_WRAPPER: asm/syscall_wrapper.h */
const WRAPPER_PREFIX = process.arch === "arm64" ? "__arm64_sys_" : "__x64_sys_";

export function syscallNumber(name: string): number | undefined {
  return SYSCALL_NUMBERS.get(name);
}

export function syscallNames(): Iterable<string> {
  return SYSCALL_NUMBERS.keys();
}

/** What the kernel calls the entry, as in tracepoint sys_enter_NAME. */
export function syscallEntryName(name: string): string {
  return ENTRY_NAMES[name] ?? name;
}

/** The kernel functions that may be the entry here, the likeliest first: the wrapper, then the name before wrappers (4.17). */
export function syscallFunctions(name: string): string[] {
  const entry = syscallEntryName(name);
  return [`${WRAPPER_PREFIX}${entry}`, `sys_${entry}`];
}

/** Whether entries are wrappers, whose argument is the caller's registers. Its types say it sooner than its symbols. */
export function syscallWrapper(): boolean {
  const name = `${WRAPPER_PREFIX}bpf`;
  if (vmlinuxBtf()?.findByName(name, "func")) return true;
  return (symbolAddresses([name]).get(name)?.size ?? 0) > 0;
}

/**
 * Where in pt_regs a 32-bit task shows: its saved register at `offset`, under `mask`, has `value`.
 * x86: cs is __USER32_CS (asm/segment.h); arm64: pstate has PSR_MODE32_BIT (asm/ptrace.h).
 */
export function compatTaskMark(): { offset: number; mask: bigint; value: bigint } {
  return process.arch === "arm64"
    ? { offset: 33 * 8, mask: 0x10n, value: 0x10n }
    : { offset: 17 * 8, mask: 0xffffn, value: 0x23n };
}

/**
 * Where pt_regs saves the first two arguments, in bytes: rdi and rsi of arch/x86/include/uapi/asm/ptrace.h, x0 and x1 of
 * arm64's. The first of a function is saved where the first of a system call is.
 */
export function syscallArgumentOffsets(): { first: number; second: number } {
  return process.arch === "arm64" ? { first: 0, second: 8 } : { first: 14 * 8, second: 13 * 8 };
}
