// Compiles a container runtime's seccomp profile to the filter that the kernel takes, for bubblewrap, which wants that.
// Formats: the OCI runtime specification's config-linux.md, seccomp(2), struct sock_filter of linux/filter.h.

import { readFileSync, writeFileSync } from "node:fs";
import { SYSCALL_NUMBERS } from "../../src/sys/syscall-numbers.ts";

interface Profile {
  readonly defaultErrnoRet: number;
  readonly syscalls: readonly {
    readonly names: readonly string[];
    readonly action: string;
    readonly errnoRet?: number;
  }[];
}

const LOAD = 0x20; // BPF_LD | BPF_W | BPF_ABS
const JUMP_IF_EQUAL = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const RETURN = 0x06; // BPF_RET | BPF_K
const NUMBER_AT = 0; // struct seccomp_data
const ARCHITECTURE_AT = 4;
const AUDIT_ARCH = process.arch === "arm64" ? 0xc00000b7 : 0xc000003e; // linux/audit.h
const ALLOW = 0x7fff0000; // SECCOMP_RET_ALLOW
const ERRNO = 0x00050000; // SECCOMP_RET_ERRNO

/** One instruction: 16 bits of code, two jump offsets of 8, 32 bits of operand. */
function instruction(code: number, operand: number, ifTrue = 0, ifFalse = 0): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt16LE(code);
  bytes.writeUInt8(ifTrue, 2);
  bytes.writeUInt8(ifFalse, 3);
  bytes.writeUInt32LE(operand, 4);
  return bytes;
}

/** Writes the filter of a profile; names that this machine has no number for are passed over, as runtimes do. */
export function compileProfile(profilePath: string, filterPath: string): void {
  const { defaultErrnoRet, syscalls } = JSON.parse(readFileSync(profilePath, "utf8")) as Profile;
  const refuse = instruction(RETURN, ERRNO | defaultErrnoRet);
  const program = [
    ...[instruction(LOAD, ARCHITECTURE_AT), instruction(JUMP_IF_EQUAL, AUDIT_ARCH, 1, 0), refuse],
    instruction(LOAD, NUMBER_AT),
  ];
  for (const { names, action, errnoRet = 1 } of syscalls)
    for (const name of names) {
      const number = SYSCALL_NUMBERS.get(name);
      if (number === undefined) continue;
      const answer = action === "SCMP_ACT_ALLOW" ? ALLOW : ERRNO | errnoRet;
      program.push(instruction(JUMP_IF_EQUAL, number, 0, 1), instruction(RETURN, answer));
    }
  writeFileSync(filterPath, Buffer.concat([...program, refuse]));
}
