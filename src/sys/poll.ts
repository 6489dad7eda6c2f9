// poll(2) of one descriptor.

import { POLLERR, POLLHUP, POLLOUT, pollfd } from "elf-loader/uapi";
import { poll } from "./libc.ts";

function pollFd(fd: number, events: number, timeoutMs = 0): number {
  const request = new Uint8Array(pollfd.size);
  const view = new DataView(request.buffer);
  view.setInt32(pollfd.fields.fd?.[0] ?? 0, fd, true);
  view.setInt16(pollfd.fields.events?.[0] ?? 0, events, true);
  poll(request, 1, timeoutMs);
  return view.getInt16(pollfd.fields.revents?.[0] ?? 0, true);
}

/**
 * Whether a write would not block, or would fail at once; waits for it at most `timeoutMs`. A pipe then takes PIPE_BUF
 * (4096) bytes (pipe(7)).
 */
export function isWritable(fd: number, timeoutMs = 0): boolean {
  return pollFd(fd, POLLOUT, timeoutMs) !== 0;
}

/** Whether the other end is gone. */
export function isHungUp(fd: number): boolean {
  return (pollFd(fd, 0) & (POLLERR | POLLHUP)) !== 0;
}
