// The system call table of the architecture that is running.

import { SYSCALLS_ARM64, SYSCALLS_X86_64 } from "elf-loader/uapi";

/** Name to number, by this machine's own table (asm/unistd.h). */
export const SYSCALL_NUMBERS: ReadonlyMap<string, number> = new Map(
  Object.entries(process.arch === "arm64" ? SYSCALLS_ARM64 : SYSCALLS_X86_64),
);
