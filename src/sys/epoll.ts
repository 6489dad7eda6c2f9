// epoll(7), level-triggered. struct epoll_event is packed on x86-64 (12 bytes) and not elsewhere (16 bytes).

import {
  EPOLL_CLOEXEC,
  EPOLL_CTL_ADD,
  EPOLL_CTL_DEL,
  EPOLL_CTL_MOD,
  epoll_event_arm64,
  epoll_event_x86_64,
} from "elf-loader/uapi";
import { exhausted } from "./exhausted.ts";
import { Fd } from "./fd.ts";
import { epollControl, epollCreate, epollWait } from "./libc.ts";

const LAYOUT = process.arch === "arm64" ? epoll_event_arm64 : epoll_event_x86_64;
const EVENT_SIZE = LAYOUT.size;
const DATA_OFFSET = LAYOUT.fields.data?.[0] ?? 0;
const MAX_EVENTS = 64;

/** A set of descriptors, each with a number of the caller's. */
export class Epoll implements Disposable {
  readonly fd: Fd;
  readonly #events = new Uint8Array(EVENT_SIZE * MAX_EVENTS);
  readonly #view = new DataView(this.#events.buffer);

  constructor(fd: number = epollCreate(EPOLL_CLOEXEC)) {
    if (fd < 0) throw exhausted("epoll_create1()", fd);
    this.fd = new Fd(fd);
  }

  /** 0, or -errno: -EEXIST, or -EPERM for what cannot be waited for (a regular file). `events`: a mask of EPOLL*. */
  add(fd: number, events: number, data: number): number {
    return this.#control(EPOLL_CTL_ADD, fd, events, data);
  }

  /** The same for a descriptor that is in the set; it is looked at anew. */
  modify(fd: number, events: number, data: number): number {
    return this.#control(EPOLL_CTL_MOD, fd, events, data);
  }

  #control(operation: number, fd: number, events: number, data: number): number {
    const event = new Uint8Array(EVENT_SIZE);
    const view = new DataView(event.buffer);
    view.setUint32(0, events, true);
    view.setUint32(DATA_OFFSET, data, true);
    return epollControl(this.fd.number, operation, fd, event);
  }

  delete(fd: number): number {
    return epollControl(this.fd.number, EPOLL_CTL_DEL, fd, new Uint8Array(EVENT_SIZE));
  }

  /** Waits at most `timeoutMs` (-1: for ever); the numbers of what is ready, or -errno (-EINTR: a signal). */
  wait(timeoutMs: number): number[] | number {
    const count = epollWait(this.fd.number, this.#events, MAX_EVENTS, timeoutMs);
    if (count < 0) return count;
    const ready: number[] = [];
    for (let i = 0; i < count; i++) ready.push(this.#view.getUint32(i * EVENT_SIZE + DATA_OFFSET, true));
    return ready;
  }

  close(): void {
    this.fd.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
