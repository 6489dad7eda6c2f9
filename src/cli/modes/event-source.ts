// The modes that carry a struct to user space share how it is shown.

import type { EventReader } from "../../index.ts";
import { escapeText } from "../escape.ts";
import type { Report } from "../report.ts";
import type { Source } from "./mode.ts";

/** struct hello_event of bpf/include/hello_event.bpf.h, as its BTF says. */
export type HelloEvent = { pid: number; uid: number; command: string; message: string };

/** A line `PID UID COMMAND MESSAGE` for every event of a buffer. */
export function eventSource(reader: EventReader<HelloEvent>, report: Report): Source {
  let received = 0;
  const show = (event: HelloEvent) => {
    received++;
    report.event(event, () => `${event.pid} ${event.uid} ${escapeText(event.command)} ${escapeText(event.message)}`);
  };
  return {
    read: (limit) => reader.read(show, limit),
    wait: () => reader.wait(),
    wake: () => reader.wake(),
    received: () => received,
    [Symbol.dispose]: () => reader.close(),
  };
}
