// poll(2) of one descriptor, without waiting.

import { POLLERR, POLLHUP, POLLOUT, pollfd } from "elf-loader/uapi";
import { poll } from "./libc.ts";

function pollNow(fd: number, events: number): number {
  const request = new Uint8Array(pollfd.size);
  const view = new DataView(request.buffer);
  view.setInt32(pollfd.fields.fd?.[0] ?? 0, fd, true);
  view.setInt16(pollfd.fields.events?.[0] ?? 0, events, true);
  poll(request, 1, 0);
  return view.getInt16(pollfd.fields.revents?.[0] ?? 0, true);
}

/** Whether a write would not block, or would fail at once. A pipe then takes PIPE_BUF (4096) bytes (pipe(7)). */
export function isWritable(fd: number): boolean {
  return pollNow(fd, POLLOUT) !== 0;
}

/** Whether the other end is gone. */
export function isHungUp(fd: number): boolean {
  return (pollNow(fd, 0) & (POLLERR | POLLHUP)) !== 0;
}
