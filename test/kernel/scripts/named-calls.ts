// A process of user 65533 that takes one name after the other and makes getppid(2) calls under each: `lruN` so many as the
// N-th number of the arguments says.

import { syscall } from "../../../src/sys/libc.ts";
import { SYSCALL_NUMBERS } from "../../../src/sys/syscall-numbers.ts";

const number = (name: string) => SYSCALL_NUMBERS.get(name) ?? -1;
const PR_SET_NAME = 15; // include/uapi/linux/prctl.h
const counts = process.argv.slice(2).map(Number);

process.setuid?.(65533);
for (const [i, count] of counts.entries()) {
  syscall(number("prctl"), PR_SET_NAME, new TextEncoder().encode(`lru${i}\0`));
  for (let call = 0; call < count; call++) syscall(number("getppid"));
}
