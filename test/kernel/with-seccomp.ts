// Runs a command under a filter that refuses system calls: `bun with-seccomp.ts bpf:38,fsopen:1 COMMAND ARGS`; the number
// behind a name is the errno; `bpf=5:1` refuses those only whose first argument is 5. A filter that refuses nothing is one too.

import { dlopen, ptr } from "bun:ffi";
import { SYSCALL_NUMBERS } from "../../src/sys/syscall-numbers.ts";
import { ALLOW, filterProgram, refuseWith } from "./seccomp-filter.ts";

const [PR_SET_SECCOMP, SECCOMP_MODE_FILTER] = [22, 2]; // linux/prctl.h, linux/seccomp.h

const [refused = "", ...command] = process.argv.slice(2);
const answers = refused
  .split(",")
  .filter(Boolean)
  .map((pair) => {
    const [, name = "", first, errno] = /^(\w+)(?:=(\d+))?:(\d+)$/.exec(pair) ?? [];
    const number = SYSCALL_NUMBERS.get(name);
    if (number === undefined) throw new Error(`There is no system call ${name}`);
    const where = first === undefined ? undefined : { index: 0, mask: -1 >>> 0, equals: Number(first) };
    return [number, refuseWith(Number(errno)), where] as const;
  });
const program = filterProgram(answers, ALLOW);
const header = Buffer.alloc(16); // struct sock_fprog
header.writeUInt16LE(program.length / 8);
header.writeBigUInt64LE(BigInt(ptr(program)), 8);
const { symbols } = dlopen("libc.so.6", { prctl: { args: ["i32", "u64", "ptr", "u64", "u64"], returns: "i32" } });
if (symbols.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ptr(header), 0, 0) !== 0)
  throw new Error("Cannot set a seccomp filter");

const child = Bun.spawn(command, { stdio: ["inherit", "inherit", "inherit"] });
process.exit(await child.exited);
