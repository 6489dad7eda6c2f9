// Filters of system calls by their number, as the kernel takes them (seccomp(2), struct sock_filter of linux/filter.h).

const LOAD = 0x20; // BPF_LD | BPF_W | BPF_ABS
const JUMP_IF_EQUAL = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const AND = 0x54; // BPF_ALU | BPF_AND | BPF_K
const RETURN = 0x06; // BPF_RET | BPF_K
const NUMBER_AT = 0; // struct seccomp_data
const ARCHITECTURE_AT = 4;
const ARGUMENTS_AT = 16; // of 8 bytes, the lower half first
const AUDIT_ARCH = process.arch === "arm64" ? 0xc00000b7 : 0xc000003e; // linux/audit.h

export const ALLOW = 0x7fff0000; // SECCOMP_RET_ALLOW
/** SECCOMP_RET_ERRNO */
export const refuseWith = (errno: number): number => 0x00050000 | errno;

/** One instruction: 16 bits of code, two jump offsets of 8, 32 bits of operand. */
function instruction(code: number, operand: number, ifTrue = 0, ifFalse = 0): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt16LE(code);
  bytes.writeUInt8(ifTrue, 2);
  bytes.writeUInt8(ifFalse, 3);
  bytes.writeUInt32LE(operand, 4);
  return bytes;
}

/** What the lower half of an argument must be, under a mask. */
export interface Argument {
  readonly index: number;
  readonly mask: number;
  readonly equals: number;
}

/** What a call gets; where it is about an argument, calls with another get what all others do. */
export type Answer = readonly [number: number, answer: number, where?: Argument];

/** What each of these calls gets, and what all others get, those of another architecture included. */
export function filterProgram(answers: Iterable<Answer>, others: number): Buffer {
  const otherwise = instruction(RETURN, others);
  const program = [
    ...[instruction(LOAD, ARCHITECTURE_AT), instruction(JUMP_IF_EQUAL, AUDIT_ARCH, 1, 0), otherwise],
    instruction(LOAD, NUMBER_AT),
  ];
  for (const [number, answer, where] of answers) {
    const decision = where
      ? [
          instruction(LOAD, ARGUMENTS_AT + 8 * where.index),
          instruction(AND, where.mask),
          instruction(JUMP_IF_EQUAL, where.equals, 1, 0),
          otherwise,
        ]
      : [];
    decision.push(instruction(RETURN, answer));
    program.push(instruction(JUMP_IF_EQUAL, number, 0, decision.length), ...decision);
  }
  return Buffer.concat([...program, otherwise]);
}
