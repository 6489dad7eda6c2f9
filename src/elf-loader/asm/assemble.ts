/** Small programs written in TypeScript: the probes of a loader, and tests. */
import { INSN_SIZE, Instructions } from "./instructions.ts";

/** One instruction; what is left out is 0. A 64-bit immediate load is two of them, the second with code 0. */
export interface Insn {
  /** Class, operation and source: BPF_ALU64 | BPF_MOV | BPF_K … */
  readonly code: number;
  readonly dst?: number;
  readonly src?: number;
  /** 16 bits, signed. */
  readonly off?: number;
  /** 32 bits, signed. */
  readonly imm?: number;
}

/** The bytes of instructions, 8 each, little-endian as every machine that loads them here. */
export function assemble(program: readonly Insn[]): Uint8Array {
  const code = new Instructions(new Uint8Array(program.length * INSN_SIZE), true);
  for (const [i, { code: opcode, dst = 0, src = 0, off = 0, imm = 0 }] of program.entries()) {
    code.set(i, opcode, dst, src, off, imm);
  }
  return code.bytes;
}
