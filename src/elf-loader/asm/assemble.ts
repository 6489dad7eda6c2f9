/** A few instructions by hand, for probes: what is too small to be compiled. Little-endian. */

import { bpf_insn } from "../uapi/bpf-layouts.ts";

/** One instruction; what is left out is 0. */
export interface Insn {
  readonly code: number;
  readonly dst?: number;
  readonly src?: number;
  readonly off?: number;
  readonly imm?: number;
}

/** The bytes of a program, 8 for each instruction. */
export function assemble(insns: readonly Insn[]): Uint8Array {
  const bytes = new Uint8Array(insns.length * bpf_insn.size);
  const view = new DataView(bytes.buffer);
  insns.forEach(({ code, dst = 0, src = 0, off = 0, imm = 0 }, index) => {
    const at = index * bpf_insn.size;
    view.setUint8(at, code);
    view.setUint8(at + 1, (src << 4) | dst);
    view.setInt16(at + 2, off, true);
    view.setInt32(at + 4, imm, true);
  });
  return bytes;
}
