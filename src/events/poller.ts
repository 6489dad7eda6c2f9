// Waiting for kernel buffers while the event loop lives.
//
// One thread for the process blocks in epoll_wait. Every descriptor is waited for once (EPOLLONESHOT) and armed
// again for the next wait; arming looks at the descriptor's state, not for a change, so nothing that became ready
// between the last read and the wait is missed, as it would be edge-triggered. Idle, nothing runs.

import { BpfRuntimeError } from "elf-loader";
import { EEXIST, EPOLLIN, EPOLLONESHOT, EPOLLOUT, O_CLOEXEC } from "elf-loader/uapi";
import { errnoName } from "../host/kernel-error.ts";
import { Epoll } from "../sys/epoll.ts";
import { exhausted } from "../sys/exhausted.ts";
import { Fd } from "../sys/fd.ts";
import { close, eventfd, writeFrom } from "../sys/libc.ts";
import type { WaiterStart } from "./waiter-worker.ts";

/** Set by scripts/build.ts: where the executable holds the worker. Not defined when run from source. */
declare const HELLO_EBPF_WAITER_WORKER: string | undefined;

const STOP = 0xffff_ffff; // no descriptor has this number

function startWorker(): Worker {
  return new Worker(
    typeof HELLO_EBPF_WAITER_WORKER === "string"
      ? HELLO_EBPF_WAITER_WORKER
      : new URL("./waiter-worker.ts", import.meta.url),
  );
}

/** Descriptors that the runtime opens for a thread of ours; without them it ends the process, and no error comes to us. */
const THREAD_NEEDS = 4;

/** Throws BpfRuntimeError where the thread could not be started. */
function checkRoom(): void {
  const spare = Array.from({ length: THREAD_NEEDS }, () => eventfd(0, O_CLOEXEC));
  for (const fd of spare) if (fd >= 0) close(fd);
  const refused = spare.find((fd) => fd < 0);
  if (refused !== undefined) throw exhausted("eventfd()", refused);
}

/** Who waits for a descriptor, and for which events together. */
interface Waiting {
  readonly events: number;
  readonly resolves: readonly (() => void)[];
}

/** The process's one waiting thread, started with the first wait and ended with the last registration. */
class Poller {
  readonly #epoll: Epoll;
  readonly #stop: Fd;
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();

  constructor() {
    checkRoom();
    this.#epoll = new Epoll();
    const stop = eventfd(0, O_CLOEXEC);
    this.#stop = new Fd(stop);
    const stoppable = stop < 0 ? stop : this.#epoll.add(stop, EPOLLIN, STOP);
    if (stoppable < 0) {
      this.#epoll.close();
      this.#stop.close();
      throw exhausted(stop < 0 ? "eventfd()" : "epoll_ctl()", stoppable);
    }
    this.#worker = startWorker();
    this.#worker.onmessage = ({ data }: MessageEvent<number[]>) => {
      for (const fd of data) this.#wake(fd);
    };
    const start: WaiterStart = { epollFd: this.#epoll.fd.number, stop: STOP };
    this.#worker.postMessage(start);
  }

  /**
   * Settles when the descriptor has one of `events` (EPOLLERR and EPOLLHUP always count), or by cancel(). All who wait
   * for a descriptor wait for each other's events too.
   */
  wait(fd: number, wanted: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const others = this.#waiting.get(fd);
      const events = wanted | (others?.events ?? 0);
      const armed = this.#epoll.add(fd, events | EPOLLONESHOT, fd);
      const result = armed === -EEXIST ? this.#epoll.modify(fd, events | EPOLLONESHOT, fd) : armed;
      if (result < 0) {
        const errno = errnoName(result);
        reject(
          new BpfRuntimeError(`Cannot wait for descriptor ${fd}: epoll_ctl() gave ${errno}`, {
            call: "epoll_ctl()",
            errno,
          }),
        );
        return;
      }
      this.#waiting.set(fd, { events, resolves: [...(others?.resolves ?? []), resolve] });
      this.#worker.ref();
    });
  }

  /** Ends a wait as if the descriptor were ready, and forgets the descriptor. Before the descriptor is closed. */
  cancel(fd: number): void {
    this.#epoll.delete(fd);
    this.#wake(fd);
  }

  #wake(fd: number): void {
    const waiting = this.#waiting.get(fd);
    this.#waiting.delete(fd);
    if (this.#waiting.size === 0) this.#worker.unref();
    for (const resolve of waiting?.resolves ?? []) resolve();
  }

  /** Ends the thread; the descriptors it used are given back once it has ended. */
  close(): void {
    this.#worker.addEventListener("close", () => {
      this.#epoll.close();
      this.#stop.close();
    });
    writeFrom(this.#stop.number, new Uint8Array(new BigUint64Array([1n]).buffer));
  }
}

let poller: Poller | undefined;
let users = 0;

/** What is waited for: something to read, room to write, or only the other end going away (which ends any wait). */
const EVENTS = { readable: EPOLLIN, writable: EPOLLOUT, hangup: 0 } as const;

/** A share in the waiting thread; closing the last one ends it. */
export class PollerShare implements Disposable {
  readonly #fds = new Set<number>();
  #closed = false;

  constructor() {
    users++;
  }

  /** Settles when it is so, or by cancel(). Rejects for what cannot be waited for, such as a regular file. */
  async wait(fd: number, condition: keyof typeof EVENTS = "readable"): Promise<void> {
    poller ??= new Poller();
    this.#fds.add(fd);
    await poller.wait(fd, EVENTS[condition]);
  }

  /** Ends a wait. */
  cancel(fd: number): void {
    if (this.#fds.delete(fd)) poller?.cancel(fd);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const fd of this.#fds) this.cancel(fd);
    users--;
    if (users > 0) return;
    poller?.close();
    poller = undefined;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
