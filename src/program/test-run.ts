// BPF_PROG_TEST_RUN: a program run by hand, with what it is given and what it left (net/bpf/test_run.c, 4.12; of raw
// tracepoints 5.10, of tracing programs 5.7, of syscall programs 5.14).

import { BpfRuntimeError } from "elf-loader";
import { errnoName } from "../host/kernel-error.ts";
import { progTestRun } from "../sys/bpf.ts";
import type { LoadedProgram } from "./hook.ts";

/** What a program is run with; which of it a program takes is its type's. */
export interface TestRun {
  /** The packet, at least an Ethernet header where it is a program of packets. */
  readonly data?: Uint8Array | undefined;
  /** The context: arguments of a raw tracepoint or a syscall program, struct __sk_buff or xdp_md of packets. */
  readonly ctx?: Uint8Array | undefined;
  /** How often, for measuring; once where nothing is said. */
  readonly repeat?: number | undefined;
  /** Bytes to make room for, where the packet, or the context, is wanted back as the program left it. */
  readonly dataOut?: number | undefined;
  readonly ctxOut?: number | undefined;
  /** BPF_F_TEST_*, and the CPU for BPF_F_TEST_RUN_ON_CPU. */
  readonly flags?: number | undefined;
  readonly cpu?: number | undefined;
}

export interface TestRunResult {
  /** What the program returned, as an unsigned number. */
  readonly retval: number;
  /** Mean nanoseconds of a run. */
  readonly duration: number;
  /** The packet as it was left, where `dataOut` asked for it. */
  readonly data?: Uint8Array;
  /** The context as it was left: where `ctxOut` asked for it, and of syscall programs, which write to what they get. */
  readonly ctx?: Uint8Array;
}

/** Throws BpfRuntimeError where the kernel does not run it so. */
export function testRun(program: LoadedProgram, how: TestRun): TestRunResult {
  const data = how.dataOut === undefined ? undefined : new Uint8Array(how.dataOut);
  const given = how.ctx?.slice(); // a syscall program writes to it
  const left = how.ctxOut === undefined ? undefined : new Uint8Array(how.ctxOut);
  const { result, retval, duration, dataSize, ctxSize } = progTestRun({
    prog_fd: program.fd.number,
    data_in: how.data,
    data_size_in: how.data?.byteLength,
    data_out: data,
    data_size_out: data?.byteLength,
    ctx_in: given,
    ctx_size_in: given?.byteLength,
    ctx_out: left,
    ctx_size_out: left?.byteLength,
    repeat: how.repeat ?? (how.data ? 1 : 0), // programs without packets take no count
    flags: how.flags,
    cpu: how.cpu,
  });
  if (result < 0) throw refusal(result, program);
  const ctx = left?.subarray(0, ctxSize) ?? given;
  return { retval, duration, ...(data ? { data: data.subarray(0, dataSize) } : {}), ...(ctx ? { ctx } : {}) };
}

function refusal(result: number, program: LoadedProgram): BpfRuntimeError {
  const call = "bpf(BPF_PROG_TEST_RUN)";
  const errno = errnoName(result);
  return new BpfRuntimeError(`Cannot run program ${program.name}: ${call} gave ${errno}`, {
    call,
    errno,
    subject: `program ${program.name}`,
  });
}
