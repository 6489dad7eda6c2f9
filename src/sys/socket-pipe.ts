// A pipe between two sockets: splice(2) moves what one has received to the other in the kernel, page by page, so that no
// byte is copied into user space and back. Nothing here blocks. The flags are those of include/linux/splice.h.

import { O_CLOEXEC, O_NONBLOCK } from "elf-loader/uapi";
import { Fd } from "./fd.ts";
import { syscall } from "./libc.ts";
import { SYSCALL_NUMBERS } from "./syscall-numbers.ts";

const [NR_PIPE2 = -1, NR_SPLICE = -1] = ["pipe2", "splice"].map((name) => SYSCALL_NUMBERS.get(name));
const SPLICE_F_MOVE = 1;
const SPLICE_F_NONBLOCK = 2;
/** More than a pipe holds: what it holds is its own matter. */
const MOST = 1 << 30;

const splice = (from: Fd, to: Fd, most: number): number =>
  syscall(NR_SPLICE, from.number, 0, to.number, 0, most, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

/** Operations give bytes moved, or -errno. */
export class SocketPipe implements Disposable {
  readonly #read: Fd;
  readonly #write: Fd;
  #held = 0;

  private constructor(read: number, write: number) {
    this.#read = new Fd(read);
    this.#write = new Fd(write);
  }

  /** An empty one, or -errno. */
  static open(): SocketPipe | number {
    const ends = new Int32Array(2);
    const result = syscall(NR_PIPE2, ends, O_CLOEXEC | O_NONBLOCK);
    return result < 0 ? result : new SocketPipe(ends[0] ?? -1, ends[1] ?? -1);
  }

  /** Bytes in it. */
  get held(): number {
    return this.#held;
  }

  /** Takes what a socket has received: 0 at its end. The pipe must be empty: a full one gives -EAGAIN as well. */
  fill(from: Fd): number {
    const count = splice(from, this.#write, MOST);
    if (count > 0) this.#held += count;
    return count;
  }

  /** Gives a socket what it takes of that. */
  drain(to: Fd): number {
    const count = splice(this.#read, to, this.#held);
    if (count > 0) this.#held -= count;
    return count;
  }

  [Symbol.dispose](): void {
    this.#read.close();
    this.#write.close();
  }
}
