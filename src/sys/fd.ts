// Owned file descriptors. An Fd is closed by `using` or close(), never by the garbage collector.

import { close } from "./libc.ts";

/** Closes its descriptor once; using it afterwards gives -1, which the kernel refuses with EBADF. */
export class Fd implements Disposable {
  #number: number;

  constructor(number: number) {
    this.#number = number;
  }

  get number(): number {
    return this.#number;
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
