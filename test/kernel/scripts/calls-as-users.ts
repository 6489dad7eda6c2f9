// A process that becomes one user after the other, from 100001 on, and makes a getppid(2) call as each, again and again: the
// arguments are how many users, and how many calls of each.

import { syscall } from "../../../src/sys/libc.ts";
import { SYSCALL_NUMBERS } from "../../../src/sys/syscall-numbers.ts";

const number = (name: string) => SYSCALL_NUMBERS.get(name) ?? -1;
const AS_IT_IS = -1;
const [users = 0, calls = 0] = process.argv.slice(2).map(Number);

for (let call = 0; call < calls; call++)
  for (let user = 1; user <= users; user++) {
    // The real one alone, of this thread: the effective one stays root's.
    if (syscall(number("setresuid"), 100_000 + user, AS_IT_IS, AS_IT_IS) < 0)
      throw new Error("Cannot become that user");
    syscall(number("getppid"));
  }
