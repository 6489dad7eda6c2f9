// Owned file descriptors. An Fd is closed by `using` or close(), never by the garbage collector.

import { F_DUPFD_CLOEXEC } from "elf-loader/uapi";
import { close, syscall } from "./libc.ts";
import { SYSCALL_NUMBERS } from "./syscall-numbers.ts";

const NR_FCNTL = SYSCALL_NUMBERS.get("fcntl") ?? -1;
/** Behind standard input, output and error, which others may have closed. */
const LEAST_FD = 3;

/** Closes its descriptor once; using it afterwards gives -1, which the kernel refuses with EBADF. */
export class Fd implements Disposable {
  #number: number;

  constructor(number: number) {
    this.#number = number;
  }

  get number(): number {
    return this.#number;
  }

  /** Another descriptor of the same, or -errno. */
  duplicate(): Fd | number {
    const number = syscall(NR_FCNTL, this.#number, F_DUPFD_CLOEXEC, LEAST_FD);
    return number < 0 ? number : new Fd(number);
  }

  close(): void {
    if (this.#number < 0) return;
    close(this.#number);
    this.#number = -1;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
