// This process's number as the kernel's first pid namespace knows it, which is what programs see. Inside a
// container process.pid is another one, so the kernel is asked: a program that returns its caller, run here.

import { assemble } from "elf-loader";
import {
  BPF_ALU64,
  BPF_CALL,
  BPF_EXIT,
  BPF_FUNC_get_current_pid_tgid,
  BPF_JMP,
  BPF_K,
  BPF_PROG_TYPE_RAW_TRACEPOINT,
  BPF_REG_0,
  BPF_RSH,
} from "elf-loader/uapi";
import { handmadeProgram, progLoad, progTestRun } from "../sys/bpf.ts";
import { Fd } from "../sys/fd.ts";
import { cString } from "../sys/libc.ts";
import { withMemlockRaised } from "../sys/memlock.ts";

const whoami = assemble([
  { code: BPF_JMP | BPF_CALL, imm: BPF_FUNC_get_current_pid_tgid },
  { code: BPF_ALU64 | BPF_RSH | BPF_K, dst: BPF_REG_0, imm: 32 },
  { code: BPF_JMP | BPF_EXIT },
]);

/** Falls back to process.pid where raw tracepoints cannot be test-run (before 5.10) or bpf() is refused. */
export function ownTgid(): number {
  const number = withMemlockRaised(() =>
    progLoad(handmadeProgram(BPF_PROG_TYPE_RAW_TRACEPOINT, whoami, { prog_name: cString("whoami") })),
  );
  if (number < 0) return process.pid;
  using program = new Fd(number);
  const run = progTestRun({ prog_fd: program.number });
  return run.result < 0 ? process.pid : run.retval;
}
