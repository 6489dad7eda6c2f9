// What the run says: events and tables on standard output, the rest on standard error; with --output jsonl every
// record also as a JSON line on standard output.

import { writeSync } from "node:fs";
import { BpfError, exhaustedBy, isWritable } from "../index.ts";
import { timestamp } from "./clock.ts";
import { escapeMessage } from "./escape.ts";
import { jsonLine } from "./json.ts";
import type { Output } from "./output.ts";
import type { Format } from "./settings.ts";

/** How a mode was attached. */
export interface Attached {
  /** The kind of hook, its target as the kernel names it, and by what means where there are several. */
  readonly hook: string;
  readonly target: string;
  readonly means?: string;
  /** The program's name. */
  readonly program: string;
  /** What was tried before. */
  readonly passedOver: readonly { readonly hook: string; readonly reason: BpfError }[];
}

/** The accounts at the end: produced = events + lost. */
export interface Totals {
  readonly produced: number;
  readonly events: number;
  readonly lost: number;
  /** Times the kernel did not run the program because eBPF was already at work on that CPU. */
  readonly missed: number;
}

/** How long a line waits for a slow reader of standard error before it is dropped. */
const PATIENCE_MS = 50;
/** The last line of a run: a console that an emulated or busy machine draws takes longer than the others are worth. */
const LAST_PATIENCE_MS = 500;
/** What a pipe that is writable takes without blocking (pipe(7)). */
const PIPE_BUF = 4096;

/** One line on standard error; whoever does not read it does not stop us. Whether it was written. */
export function sayOnStderr(text: string, patienceMs: number = PATIENCE_MS): boolean {
  const line = Buffer.from(`${escapeMessage(text)}\n`);
  try {
    for (let at = 0; at < line.length; at += PIPE_BUF) {
      if (!isWritable(2, patienceMs)) return false;
      writeSync(2, line.subarray(at, at + PIPE_BUF));
    }
    return true;
  } catch {
    return false; // closed, or on a full device: there is nowhere left to say it
  }
}

export class Report {
  readonly #output: Output;
  readonly #format: Format;
  #now = "";
  #rounding: string | undefined;

  constructor(output: Output, format: Format) {
    this.#output = output;
    this.#format = format;
  }

  /** A new turn: what is reported in it has been read now. */
  turn(): void {
    this.#now = "";
  }

  get #timestamp(): string {
    this.#now ||= timestamp();
    return this.#now;
  }

  #json(type: string, fields: Record<string, unknown>): void {
    if (this.#format === "jsonl") this.#output.line(jsonLine({ type, ts: this.#timestamp, ...fields }));
  }

  note(text: string): void {
    sayOnStderr(`hello-ebpf: ${text}`);
  }

  attached(mode: string, requested: string, attached: Attached): void {
    const { hook, target, means, program, passedOver } = attached;
    for (const { hook: other, reason } of passedOver) this.note(`passed over ${other}: ${why(reason)}`);
    this.note(`attached ${mode} to ${hook} ${target}${means === "ioctl" ? " (no bpf_link on this kernel)" : ""}`);
    if (this.#rounding) this.note(this.#rounding);
    const reasons = passedOver.map((other) => ({ hook: other.hook, reason: why(other.reason) }));
    this.#json("attached", { mode, requested, hook, target, means, program, passed_over: reasons });
  }

  /** Said once it is attached: every way that is tried has its own buffer, and what fails is one line. */
  bufferSize(asked: number | undefined, size: number, where = ""): void {
    this.#rounding =
      asked === undefined || asked === size
        ? undefined
        : `buffer size ${asked} rounded up to ${size} bytes ${where}`.trimEnd();
  }

  /** A record of what text mode says in other words, or not at all. */
  side(type: string, fields: Record<string, unknown>): void {
    this.#json(type, fields);
  }

  /** What the user asked for, on standard output: a line of text, or a record of this type. */
  record(type: string, fields: Record<string, unknown>, text: () => string): void {
    if (this.#format === "text") this.#output.line(text());
    else this.#json(type, fields);
  }

  /** What a mode has to say besides its events: a note, and a JSON line. */
  remark(type: string, fields: Record<string, unknown>, text: string): void {
    this.note(text);
    this.#json(type, fields);
  }

  event(event: Record<string, unknown>, text: () => string): void {
    this.record("event", event, text);
  }

  map(name: string, entries: readonly Record<string, unknown>[], text: () => string): void {
    this.record("map", { map: name, entries }, text);
  }

  /** `full`: what had no room for them. */
  lost(cpu: number, count: number, full = "buffer"): void {
    // Under load there are many of these: one that does not find room is not waited for, the sum comes at the end.
    sayOnStderr(`hello-ebpf: lost ${count} events on CPU ${cpu}: the ${full} was full`, 0);
    this.#json("lost", { cpu, count });
  }

  error(error: unknown, status: number): void {
    this.#json("error", { status, ...errorFields(error) });
  }

  summary(totals: Totals): void {
    const { produced, events, lost, missed } = totals;
    const astray = produced - events - lost;
    if (missed > 0)
      this.note(`${missed} times the kernel did not run the program: eBPF was already at work on that CPU`);
    if (astray !== 0) this.note(`the accounts differ by ${astray}: ${produced} produced`);
    sayOnStderr(`${events} events, ${lost} lost`, LAST_PATIENCE_MS);
    this.#json("summary", { produced, events, lost, missed });
  }
}

/** An error as a record has it. */
export function errorFields(error: unknown): Record<string, unknown> {
  const message = error instanceof Error ? error.message : String(error);
  if (!(error instanceof BpfError)) return { message };
  const { class: kind, call, errno, subject, likely, action } = error;
  return { class: kind, call, errno, subject, likely, action, message };
}

/** Message and cause, in one line. */
export function why(error: BpfError): string {
  return (error.likely ? `${error.message}: ${error.likely}` : error.message).replaceAll("\n", " ");
}

/** Message, cause and what to do, in one line. */
export function oneLine(error: unknown): string {
  if (error instanceof BpfError)
    return error.action ? `${why(error)}; ${error.action.replaceAll("\n", " ")}` : why(error);
  const message = (error instanceof Error ? error.message : String(error)).replaceAll("\n", " ");
  const reason = exhaustedBy((error as NodeJS.ErrnoException).code);
  return reason ? `${message}: ${reason.likely}; ${reason.action}` : message;
}
