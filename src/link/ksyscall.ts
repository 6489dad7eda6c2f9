// ksyscall and kretsyscall: the entry or return of a system call by its name, a kprobe on whatever the kernel calls its
// function (arch/x86/include/asm/syscall_wrapper.h; libbpf's attach_ksyscall). Look at the options target and cookie.

import { BpfError } from "elf-loader";
import { closeHint } from "../host/close-names.ts";
import { syscallFunctions, syscallNames, syscallNumber } from "../host/syscalls.ts";
import type { Hook } from "../program/hook.ts";
import { attachKprobe } from "./kprobe.ts";
import type { BpfLink } from "./link.ts";
import { targetOf, unusable } from "./refuse.ts";

function ksyscallHook(name: string, isReturn: boolean): Hook {
  return {
    name,
    attach(program, options) {
      const target = targetOf(program, options, "a system call");
      if (syscallNumber(target) === undefined)
        throw unusable(program, `${name} ${target}`, `no such system call${closeHint(target, syscallNames())}`);
      let first: unknown;
      for (const symbol of syscallFunctions(target)) {
        const link = orError(() => attachKprobe(program, name, symbol, isReturn, options));
        if (!(link instanceof BpfError)) return link;
        first ??= link; // of several names the first one's failure says most: the others are what older kernels call it
        if (link.errno !== "ENOENT") break;
      }
      throw first;
    },
  };
}

function orError(attach: () => BpfLink): BpfLink | BpfError {
  try {
    return attach();
  } catch (error) {
    if (error instanceof BpfError) return error;
    throw error;
  }
}

export const ksyscall = ksyscallHook("ksyscall", false);
export const kretsyscall = ksyscallHook("kretsyscall", true);
