// Loads the least program of every type that a section can name, and prints what the kernel says to each: [type, 0 or -errno].

import { assemble, SECTION_ROWS } from "elf-loader";
import { BPF_ALU64, BPF_EXIT, BPF_JMP, BPF_K, BPF_MOV } from "elf-loader/uapi";
import { handmadeProgram, progLoad } from "../../../src/sys/bpf.ts";
import { close } from "../../../src/sys/libc.ts";

const RETURN_ZERO = assemble([{ code: BPF_ALU64 | BPF_MOV | BPF_K }, { code: BPF_JMP | BPF_EXIT }]);

function load(programType: number, attachType: number): number {
  const result = progLoad(handmadeProgram(programType, RETURN_ZERO, { expected_attach_type: attachType }));
  if (result >= 0) close(result);
  return Math.min(result, 0);
}

const rows = new Map(SECTION_ROWS.map(({ programType, attachType }) => [programType, attachType]));
console.log(JSON.stringify([...rows].map(([type, attachType]) => [type, load(type, attachType)])));
