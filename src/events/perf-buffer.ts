// Perf buffers: one for each CPU that is online, in the slot of its number of a PERF_EVENT_ARRAY map. A program
// writes to its own CPU's by bpf_perf_event_output (kernel/trace/bpf_trace.c).

import type { RecordDecoder } from "elf-loader";
import {
  ENODEV,
  EPOLLIN,
  PERF_COUNT_SW_BPF_OUTPUT,
  PERF_SAMPLE_RAW,
  PERF_TYPE_SOFTWARE,
  PROT_READ,
  PROT_WRITE,
} from "elf-loader/uapi";
import { onlineCpus } from "../host/cpus.ts";
import { kernelError } from "../host/kernel-error.ts";
import { powerOfTwoPages } from "../map/pages.ts";
import type { BpfPerfEventArray } from "../map/perf-event-array.ts";
import { Epoll } from "../sys/epoll.ts";
import { exhausted } from "../sys/exhausted.ts";
import { Fd } from "../sys/fd.ts";
import { PAGE_SIZE } from "../sys/libc.ts";
import { Mapping } from "../sys/mapping.ts";
import { perfEventOpen } from "../sys/perf-event.ts";
import { CpuBuffer, type OnLost } from "./cpu-buffer.ts";
import { type RecordCallback, RecordReader } from "./record-reader.ts";

export interface PerfBufferOptions {
  /** Bytes for each CPU, rounded up to a power of two of pages; 256 KiB where nothing is said. */
  readonly size?: number | undefined;
  /** Told where the kernel says it had no room: the CPU, and how many records since the last one. */
  readonly onLost?: OnLost | undefined;
}

const DEFAULT_SIZE = 256 * 1024;

const OUTPUT_EVENT = {
  type: PERF_TYPE_SOFTWARE,
  config: PERF_COUNT_SW_BPF_OUTPUT,
  sample_type: PERF_SAMPLE_RAW,
  sample_period: 1,
  wakeup_events: 1,
};

/** Reader of all CPUs' buffers. The map must stay open. CPUs that come online later are read from followCpus() on. */
export class PerfBuffer<T = unknown> extends RecordReader<T> {
  protected override readonly waitFd: number;
  /** Bytes for each CPU. */
  readonly size: number;
  readonly #epoll = new Epoll();
  readonly #buffers: CpuBuffer[] = [];
  readonly #map: BpfPerfEventArray;
  readonly #onLost: OnLost;
  /** CPUs that are online and could not be opened. */
  readonly #refused = new Set<number>();
  #next = 0;

  constructor(map: BpfPerfEventArray, decode: RecordDecoder<T>, recordSize = 0, options: PerfBufferOptions = {}) {
    super(decode, recordSize);
    this.#map = map;
    this.waitFd = this.#epoll.fd.number;
    this.size = powerOfTwoPages(options.size ?? DEFAULT_SIZE) * PAGE_SIZE;
    this.#onLost = options.onLost ?? (() => {});
    try {
      for (const cpu of onlineCpus()) this.#open(cpu);
    } catch (error) {
      this.unmap();
      throw error;
    }
  }

  /**
   * Reads from now on the CPUs that have come online since, and from the next read on no more those that went offline:
   * their events do not come back with them. Throws where a CPU cannot be opened; it is not tried again until it has
   * been offline.
   */
  followCpus(): void {
    const online = new Set(onlineCpus());
    for (const buffer of this.#buffers) buffer.offline ||= !online.has(buffer.cpu);
    for (const cpu of this.#refused) if (!online.has(cpu)) this.#refused.delete(cpu);
    for (const cpu of online) {
      if (this.#refused.has(cpu) || this.#buffers.some((buffer) => buffer.cpu === cpu && !buffer.offline)) continue;
      this.#refused.add(cpu);
      this.#open(cpu);
      this.#refused.delete(cpu);
    }
  }

  /** The CPUs whose output is read. */
  get cpus(): number[] {
    return this.#buffers.map((buffer) => buffer.cpu);
  }

  #open(cpu: number): void {
    const map = this.#map;
    const refused = { subject: `map ${map.name}`, needs: ["CAP_PERFMON"], kind: "perf" as const };
    const number = perfEventOpen(OUTPUT_EVENT, -1, cpu);
    if (number === -ENODEV) return; // went offline since the list was read
    if (number < 0)
      throw kernelError(number, { ...refused, doing: `open the perf buffer of CPU ${cpu}`, call: "perf_event_open()" });
    const event = new Fd(number);
    const mapping = Mapping.create(number, PAGE_SIZE + this.size, PROT_READ | PROT_WRITE);
    if (typeof mapping === "number") {
      event.close();
      const doing = `map the perf buffer of CPU ${cpu} (${this.size} bytes) into memory`;
      const likely = "the buffer is larger than the memory it may have";
      throw kernelError(mapping, {
        ...refused,
        kind: "mlock",
        doing,
        call: "mmap()",
        likely,
        action: "ask for a smaller one",
      });
    }
    this.#buffers.push(new CpuBuffer(cpu, event, mapping));
    map.setEvent(cpu, number);
    const waitable = this.#epoll.add(number, EPOLLIN, cpu);
    if (waitable < 0) throw exhausted("epoll_ctl()", waitable);
  }

  /**
   * A perf event says only once that it can be read (perf_poll), and arming the wait may be what it says it to: whether
   * there is something is looked up in the buffers once it is armed.
   */
  override wait(): Promise<void> {
    const waited = super.wait();
    if (!this.closed && this.#buffers.some((buffer) => buffer.hasMore)) this.wake();
    return waited;
  }

  /** CPUs take turns in being first, so that a busy one does not starve the others. */
  protected override drain(callback: RecordCallback, limit: number): number {
    const buffers = this.#buffers;
    let count = 0;
    for (let i = 0; i < buffers.length && count < limit && !this.closed; i++) {
      const buffer = buffers[(this.#next + i) % buffers.length] as CpuBuffer;
      count += buffer.consume(callback, this.#onLost, limit - count, this);
    }
    this.#next++;
    if (count < limit) this.#forgetOffline();
    return count;
  }

  /** Called when all there is has been read. */
  #forgetOffline(): void {
    for (const buffer of this.#buffers.filter(({ offline }) => offline)) {
      this.#buffers.splice(this.#buffers.indexOf(buffer), 1);
      buffer.close();
    }
  }

  protected override unmap(): void {
    for (const buffer of this.#buffers) buffer.close();
    this.#epoll.close();
  }
}
