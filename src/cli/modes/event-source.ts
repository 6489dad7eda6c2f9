// The modes that carry a struct to user space share how it is shown.

import type { EventReader } from "../../index.ts";
import { escapeText } from "../escape.ts";
import type { Report } from "../report.ts";
import type { Settings } from "../settings.ts";
import type { Source } from "./mode.ts";

/** struct hello_event of bpf/include/hello_event.bpf.h, as its BTF says. */
type HelloEvent = { pid: number; uid: number; command: string; message: string };
/** struct hello_placed_event: the same in its container. */
type PlacedEvent = { event: HelloEvent; nspid: number; cgroup: bigint };
export type AnyEvent = HelloEvent | PlacedEvent;

/** The struct that the program writes: a line of text has no room for more than the event. */
export function eventStruct({ output }: Settings): string {
  return output === "jsonl" ? "hello_placed_event" : "hello_event";
}

/** A line `PID UID COMMAND MESSAGE` for every event shown, and how many there were. */
export function eventSink(report: Report): { show: (record: AnyEvent) => void; received: () => number } {
  let received = 0;
  const show = (record: AnyEvent) => {
    received++;
    const event = "event" in record ? record.event : record;
    const place = "event" in record ? { nspid: record.nspid || undefined, cgroup: record.cgroup } : {};
    report.event({ ...event, ...place }, () => textLine(event));
  };
  return { show, received: () => received };
}

/** The events of a buffer. */
export function eventSource(reader: EventReader<AnyEvent>, report: Report): Source {
  const { show, received } = eventSink(report);
  return {
    read: (limit) => reader.read(show, limit),
    wait: () => reader.wait(),
    wake: () => reader.wake(),
    received,
    [Symbol.dispose]: () => reader.close(),
  };
}

function textLine({ pid, uid, command, message }: HelloEvent): string {
  return `${pid} ${uid} ${escapeText(command)} ${escapeText(message)}`;
}
