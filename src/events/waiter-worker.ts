// A thread that blocks in epoll_wait for the event loop's thread, which must not. See poller.ts.
//
// Told once: the epoll descriptor. Tells: which descriptors are ready. The stop descriptor ends it.

import { EINTR } from "elf-loader/uapi";
import { Epoll } from "../sys/epoll.ts";

/** What the poller tells the thread. */
export interface WaiterStart {
  readonly epollFd: number;
  /** The number under which the stop descriptor is in the set. */
  readonly stop: number;
}

declare const self: {
  onmessage: (event: { data: WaiterStart }) => void;
  postMessage(ready: number[]): void;
  close(): void;
};

self.onmessage = ({ data: { epollFd, stop } }) => {
  const epoll = new Epoll(epollFd);
  for (;;) {
    const ready = epoll.wait(-1);
    if (ready === -EINTR) continue; // a signal came: wait again
    if (typeof ready === "number" || ready.includes(stop)) break; // the set is gone, or we are told to go
    self.postMessage(ready);
  }
  self.close();
};
