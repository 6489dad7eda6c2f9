// BPF_MAP_TYPE_ARENA (kernel/bpf/arena.c, 6.9): memory that programs and user space share at one address, up to 4 GiB,
// whose pages appear when they are first touched. Programs that use it are loaded after it was mapped: a new one is at
// once, at `map_extra` or where the kernel likes, and stays at that address for every process (arena_get_unmapped_area).
// One that somebody else made is mapped when its memory is asked for.

import { type BpfError, BpfRuntimeError, type Memory } from "elf-loader";
import { BPF_F_MMAPABLE, BPF_MAP_TYPE_ARENA, EINVAL, PROT_READ, PROT_WRITE } from "elf-loader/uapi";
import { kernelError } from "../host/kernel-error.ts";
import { PAGE_SIZE } from "../sys/libc.ts";
import { Mapping } from "../sys/mapping.ts";
import { BpfMap } from "./map.ts";
import type { MapType } from "./type.ts";

const ELSEWHERE = {
  likely: "a process has it mapped, or had, and it keeps that address, which the kernel does not tell",
  action: "make it with an address that every process takes (map_extra)",
};

export class BpfArena extends BpfMap {
  #mapping: Mapping | undefined;
  #closed = false;

  override prepare(): void {
    this.#mapped();
  }

  #mapped(): Mapping {
    if (this.#mapping) return this.#mapping;
    if (this.#closed)
      throw new BpfRuntimeError(`Cannot use ${this.#subject}: it is closed`, { subject: this.#subject });
    const { maxEntries, mapExtra } = this.spec;
    const [length, hint] = [maxEntries * PAGE_SIZE, Number(mapExtra)];
    const mapping = Mapping.create(this.fd.number, length, PROT_READ | PROT_WRITE, 0, hint);
    if (typeof mapping === "number") throw this.#unmappable(mapping);
    this.#mapping = mapping;
    return mapping;
  }

  #unmappable(result: number): BpfError {
    const doing = `map into memory map ${this.name}`;
    const elsewhere = result === -EINVAL && this.spec.mapExtra === 0n ? ELSEWHERE : {};
    return kernelError(result, { doing, call: "mmap()", subject: this.#subject, ...elsewhere });
  }

  get #subject(): string {
    return `map ${this.name}`;
  }

  /**
   * Typed views over the whole arena; not to be touched after close(), which ends the process. Throws BpfRuntimeError
   * (EINVAL) where the arena is one without `map_extra` that was mapped elsewhere.
   */
  get memory(): Memory {
    return this.#mapped().memory;
  }

  /** Where it is in this process: what a pointer into it begins with. */
  get address(): bigint {
    return BigInt(this.#mapped().address);
  }

  /** Views over a part, `offset` a multiple of 4. */
  view(offset: number, length: number): Memory {
    return this.#mapped().view(offset, length);
  }

  /** The same by a pointer that a program has written. Throws where it leads elsewhere. */
  at(pointer: bigint, length: number): Memory {
    // A program keeps pointers into an arena as the lower half of the address, or as the whole.
    const offset = Number(BigInt.asUintN(32, pointer - this.address));
    if (offset + length <= this.#mapped().length) return this.view(offset, length);
    const where = `0x${pointer.toString(16)}`;
    throw new BpfRuntimeError(`Cannot read arena ${this.name} at ${where}: it lies outside`, {
      subject: this.#subject,
    });
  }

  override close(): void {
    this.#closed = true;
    this.#mapping?.close();
    super.close();
  }
}

export const arena: MapType = {
  type: BPF_MAP_TYPE_ARENA,
  name: "ARENA",
  since: "6.9",
  Map: BpfArena,
  only: { flag: BPF_F_MMAPABLE, says: "with BPF_F_MMAPABLE among map_flags" },
  least: { key_size: 0, value_size: 0, map_flags: BPF_F_MMAPABLE },
};
