// A process that is one user after the other, from FIRST on, COUNT of them, and makes one getppid(2) call as each.

import { syscall } from "../../../src/sys/libc.ts";
import { SYSCALL_NUMBERS } from "../../../src/sys/syscall-numbers.ts";

const number = (name: string) => SYSCALL_NUMBERS.get(name) ?? -1;
const PR_SET_NAME = 15; // include/uapi/linux/prctl.h
const SAME = 0xffffffff; // the effective one stays root
const [name = "", first = 0, count = 0] = process.argv.slice(2);

syscall(number("prctl"), PR_SET_NAME, new TextEncoder().encode(`${name}\0`));
for (let uid = Number(first); uid < Number(first) + Number(count); uid++) {
  if (syscall(number("setresuid"), uid, SAME, SAME) !== 0) throw new Error(`Cannot become user ${uid}`);
  syscall(number("getppid"));
}
