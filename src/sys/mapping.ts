// Memory shared with the kernel by mmap(2).

import { BpfRuntimeError, Memory } from "elf-loader";
import { ENOMEM, MAP_SHARED, PROT_WRITE } from "elf-loader/uapi";
import { memoryAt, mmap, munmap } from "./libc.ts";

/**
 * A shared mapping and views over it. After close() no view is given any more, and those that were must not be touched:
 * an access to unmapped memory ends the process. A mapping without PROT_WRITE must not be stored to, nor read by Atomics
 * (which may be a locked read-modify-write).
 */
export class Mapping implements Disposable {
  readonly address: number;
  readonly length: number;
  readonly writable: boolean;
  readonly #memory: Memory;
  #mapped = true;

  private constructor(address: number, length: number, writable: boolean) {
    this.address = address;
    this.length = length;
    this.writable = writable;
    this.#memory = memoryAt(address, length);
  }

  /** Views over the whole. Throws BpfRuntimeError once it is closed. */
  get memory(): Memory {
    if (this.#mapped) return this.#memory;
    throw new BpfRuntimeError("Cannot use memory shared with the kernel: it is closed", { subject: "memory" });
  }

  /** The mapping, or -errno. `length` in bytes, `offset` a multiple of the page size, `hint` where it had better be. */
  static create(fd: number, length: number, prot: number, offset = 0, hint = 0): Mapping | number {
    const address = mmap(length, prot, MAP_SHARED, fd, offset, hint);
    if (address < 0) return address;
    try {
      return new Mapping(address, length, (prot & PROT_WRITE) !== 0);
    } catch {
      munmap(address, length); // longer than an ArrayBuffer can be
      return -ENOMEM;
    }
  }

  /** Views over a part of it; `offset` in bytes, a multiple of 4. */
  view(offset: number, length: number): Memory {
    return new Memory(this.memory.u8.buffer, offset, length);
  }

  close(): void {
    if (!this.#mapped) return;
    this.#mapped = false;
    munmap(this.address, this.length);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
