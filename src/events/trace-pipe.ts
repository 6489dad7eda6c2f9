// trace_pipe of tracefs: the lines of bpf_trace_printk (Documentation/trace/ftrace.rst). Reading takes a line away
// from every other reader.

import { AttachError, type BpfError, bytesToString, UnsupportedError } from "elf-loader";
import { EAGAIN, EBUSY, EINTR, O_NONBLOCK, O_RDONLY } from "elf-loader/uapi";
import { kernelError } from "../host/kernel-error.ts";
import { Tracefs, tracefsNeeds } from "../host/tracefs.ts";
import { Fd } from "../sys/fd.ts";
import { readInto } from "../sys/libc.ts";
import { EventReader, TURN } from "./reader.ts";

const NEWLINE = 10;
const CHUNK = 64 * 1024;

/** Lines as the kernel wrote them, without the newline; bytes that are not UTF-8 as lone surrogates. */
export class TracePipe extends EventReader<string> {
  protected override readonly waitFd: number;
  readonly #pipe: Fd;
  readonly #buffer = new Uint8Array(CHUNK);
  /** The end of the buffer that is filled, and its first byte that is not yet handed over. */
  #filled = 0;
  #start = 0;

  constructor() {
    super();
    using tracefs = openTracefs();
    if (`${tracefs.read("tracing_on")}`.trim() === "0") throw tracingIsOff(tracefs.where);
    const fd = tracefs.open("trace_pipe", O_RDONLY | O_NONBLOCK);
    if (fd < 0) throw pipeError(fd, tracefs.where);
    this.#pipe = new Fd(fd);
    this.waitFd = fd;
  }

  override read(callback: (line: string) => void, limit: number = TURN): number {
    let count = 0;
    while (!this.closed && count < limit) {
      const end = this.#endOfLine();
      if (end >= 0) {
        const line = bytesToString(this.#buffer, this.#start, end);
        this.#start = end + 1;
        count++;
        callback(line);
      } else if (!this.#fill()) break;
    }
    return count;
  }

  /** Lines that were read and not handed over the kernel has no more: it would not wake us for them. */
  override async wait(): Promise<void> {
    if (this.#endOfLine() < 0) return await super.wait();
    await new Promise<void>((resolve) => setImmediate(resolve));
  }

  /** Where the first line ends that is not yet handed over; -1 where it is not whole. */
  #endOfLine(): number {
    return this.#buffer.subarray(0, this.#filled).indexOf(NEWLINE, this.#start);
  }

  /** Reads what the kernel has; false where it has nothing. */
  #fill(): boolean {
    this.#buffer.copyWithin(0, this.#start, this.#filled);
    this.#filled -= this.#start;
    this.#start = 0;
    if (this.#filled === CHUNK) this.#filled = 0; // a line of 64 KiB is none
    const length = readInto(this.#pipe.number, this.#buffer.subarray(this.#filled));
    if (length < 0 && length !== -EAGAIN && length !== -EINTR) {
      throw kernelError(length, { doing: "read trace_pipe", call: "read()", subject: "trace_pipe" });
    }
    this.#filled += Math.max(0, length);
    return length > 0;
  }

  protected override release(): void {
    this.#pipe.close();
  }
}

const refusedPipe = (result: number, call: string) =>
  ({ subject: "trace_pipe", call, needs: tracefsNeeds(result, call), kind: "tracefs" }) as const;

function openTracefs(): Tracefs {
  const tracefs = Tracefs.find();
  if (tracefs instanceof Tracefs) return tracefs;
  const { call, result } = tracefs;
  throw kernelError(result, {
    ...refusedPipe(result, call),
    doing: "read trace_pipe",
    unsupported: true,
    likely: "tracefs is not mounted, and the kernel cannot mount it detached (5.2)",
    action: "mount it: mount -t tracefs tracefs /sys/kernel/tracing",
  });
}

/** Without a word from the kernel no line would ever come. */
const tracingIsOff = (where: string) =>
  new UnsupportedError(`Cannot read trace_pipe (tracefs ${where}): tracing_on is 0`, {
    subject: "trace_pipe",
    likely: "somebody has switched the kernel's tracing off",
    action: "switch it on: echo 1 > /sys/kernel/tracing/tracing_on",
  });

function pipeError(result: number, where: string): BpfError {
  const doing = `open trace_pipe (tracefs ${where})`;
  const call = "open(trace_pipe)";
  if (result !== -EBUSY) return kernelError(result, { ...refusedPipe(result, call), doing });
  return new AttachError(`Cannot ${doing}: ${call} gave EBUSY`, {
    ...{ call, errno: "EBUSY", subject: "trace_pipe" },
    likely: "another program reads trace_pipe",
    action: "end it (ls -l /proc/*/fd | grep trace_pipe)",
  });
}
