// Standard output: whole lines, in order, to the last byte, without ever blocking the process.
//
// What cannot be written at once waits here, and whoever makes more waits with it, so that a slow reader costs
// events in the kernel's buffer, where they are counted, and no memory here. A reader that is gone is noticed even
// while there is nothing to write.

import { fstatSync, writeSync } from "node:fs";
import { BpfRuntimeError, isHungUp, isWritable, PollerShare } from "../index.ts";

/** A pipe that is writable takes this much without blocking (pipe(7), PIPE_BUF). */
const PIPE_CHUNK = 4096;
/** How long poll(2) waits at a time. */
const WAIT_MS = 1000;

export class Output {
  readonly #fd: number;
  readonly #poller = new PollerShare();
  readonly #encoder = new TextEncoder();
  readonly #chunk: number;
  #lines: string[] = [];
  #bytes = new Uint8Array(0);
  #broken = false;
  readonly #onBroken: () => void;

  /** `onBroken` is called once when the reader is gone (EPIPE); what is written from then on is dropped. */
  constructor(fd: number, onBroken: () => void) {
    this.#fd = fd;
    this.#onBroken = onBroken;
    this.#chunk = isRegularFile(fd) ? Number.POSITIVE_INFINITY : PIPE_CHUNK;
  }

  /** Notices a reader that goes away, from now until the next wait for room. */
  watch(): void {
    const noticed = this.#waitFor("hangup").then((waited) => {
      if (waited && isHungUp(this.#fd)) this.#break();
    });
    noticed.catch(() => {}); // it is noticed with the next line, then
  }

  get broken(): boolean {
    return this.#broken;
  }

  /** Keeps a line for the next flush. */
  line(text: string): void {
    if (!this.#broken) this.#lines.push(text);
  }

  /** Settles when all is written, or the reader is gone. Throws BpfRuntimeError where it cannot be written or waited for. */
  async flush(): Promise<void> {
    if (this.#writeSome()) return;
    try {
      do await this.#waitFor("writable");
      while (!this.#writeSome());
    } catch (error) {
      this.#drop();
      throw error;
    }
    this.watch();
  }

  /** Writes what can be written without blocking; whether that was all. */
  #writeSome(): boolean {
    if (this.#lines.length > 0) {
      const text = `${this.#lines.join("\n")}\n`;
      this.#lines = [];
      this.#bytes = concat(this.#bytes, this.#encoder.encode(text));
    }
    while (this.#bytes.length > 0 && !this.#broken) {
      if (!isWritable(this.#fd)) return false;
      const written = this.#write(this.#bytes.subarray(0, this.#chunk));
      if (written === 0) return false;
      this.#bytes = this.#bytes.subarray(written);
    }
    return true;
  }

  #write(bytes: Uint8Array): number {
    try {
      return writeSync(this.#fd, bytes);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "EAGAIN" || code === "EINTR") return 0;
      if (code === "EPIPE") this.#break();
      else this.#fail(code);
      return 0;
    }
  }

  #break(): void {
    if (this.#broken) return;
    this.#drop();
    this.#onBroken();
  }

  /** What cannot be written now will not be later: the rest is dropped, and the failure said once. */
  #fail(errno?: string): never {
    this.#drop();
    throw cannotWrite(errno);
  }

  #drop(): void {
    this.#broken = true;
    this.#lines = [];
    this.#bytes = new Uint8Array(0);
  }

  /** False where the descriptor need not be waited for: a regular file (EPERM) is always writable. Throws BpfRuntimeError. */
  async #waitFor(condition: "writable" | "hangup"): Promise<boolean> {
    this.#poller.cancel(this.#fd);
    try {
      await this.#poller.wait(this.#fd, condition);
      return !this.#broken;
    } catch (error) {
      if (error instanceof BpfRuntimeError && error.errno === "EPERM") return false;
      throw error;
    }
  }

  close(): void {
    this.#poller.close();
  }
}

function cannotWrite(errno = "an unknown error"): BpfRuntimeError {
  return new BpfRuntimeError(`Cannot write to standard output: write() gave ${errno}`, {
    call: "write()",
    errno,
    subject: "standard output",
    likely: errno === "ENOSPC" ? "the file system is full" : "what standard output leads to takes nothing",
    action: "send it elsewhere",
  });
}

/**
 * Writes a text before there is anything that must not be blocked: a reader that takes its time is waited for, one that
 * is gone has what it wanted. Throws BpfRuntimeError where nothing can be written.
 */
export function writeWhole(fd: number, text: string): void {
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length; )
    try {
      at += writeSync(fd, bytes.subarray(at, at + PIPE_CHUNK));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "EPIPE") return;
      if (code !== "EAGAIN" && code !== "EINTR") throw cannotWrite(code);
      isWritable(fd, WAIT_MS);
    }
}

function isRegularFile(fd: number): boolean {
  try {
    return fstatSync(fd).isFile();
  } catch {
    return false;
  }
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
