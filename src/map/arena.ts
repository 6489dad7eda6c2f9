// BPF_MAP_TYPE_ARENA (kernel/bpf/arena.c, 6.9): memory that programs and user space share at one address, up to 4 GiB,
// whose pages appear when they are first touched. Programs that use it are loaded after it was mapped: a new one is at
// once, at `map_extra` or where the kernel likes, and stays at that address for every process (arena_get_unmapped_area).
// One that somebody else made is mapped when its memory is asked for.

import { ARENA_DATA, type BpfError, BpfRuntimeError, type MapSpec, type Memory, ObjectError } from "elf-loader";
import {
  BPF_F_MMAPABLE,
  BPF_F_SEGV_ON_FAULT,
  BPF_MAP_TYPE_ARENA,
  EINVAL,
  PROT_READ,
  PROT_WRITE,
} from "elf-loader/uapi";
import { farMapValues } from "../features/far-map-values.ts";
import { kernelError } from "../host/kernel-error.ts";
import { PAGE_SIZE } from "../sys/libc.ts";
import { Mapping } from "../sys/mapping.ts";
import { BpfMap } from "./map.ts";
import type { MapType } from "./type.ts";

const ELSEWHERE = {
  likely: "a process has it mapped, or had, and it keeps that address, which the kernel does not tell",
  action: "make it with an address that every process takes (map_extra)",
};

/**
 * Where in an arena the object's variables in it begin, in bytes: at the page that leaves room for them at its end, so that
 * none of them is at its first address, which a program may take for no pointer; at its beginning where the kernel lets
 * programs name no place so far behind (as libbpf 1.7 has it).
 */
export function arenaDataOffset({ maxEntries, contents }: MapSpec): number {
  if (!contents || !farMapValues()) return 0;
  return Math.max(0, maxEntries - Math.ceil(contents.length / PAGE_SIZE)) * PAGE_SIZE;
}

export class BpfArena extends BpfMap {
  #mapping: Mapping | undefined;
  #closed = false;

  override prepare(): void {
    const { contents } = this.spec;
    const misfit = contents && this.#misfit(contents);
    if (misfit) throw new ObjectError(`Cannot create ${this.#subject}: ${misfit}`, ARENA_DATA, 0);
    const { u8 } = this.#mapped().memory;
    if (contents) u8.set(contents, this.dataOffset);
  }

  /** Why it cannot have these variables. */
  #misfit({ length }: Uint8Array): string | undefined {
    const { maxEntries, flags } = this.spec;
    if ((flags & BPF_F_SEGV_ON_FAULT) !== 0)
      return "with BPF_F_SEGV_ON_FAULT only programs make its pages, those of variables too";
    if (length <= maxEntries * PAGE_SIZE) return undefined;
    return `its ${maxEntries} pages have no room for ${length} bytes of variables`;
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
   * Typed views over the whole arena; not to be touched after close(), which ends the process, nor, with
   * BPF_F_SEGV_ON_FAULT, where no program has made a page (bpf_arena_alloc_pages). Throws BpfRuntimeError
   * (EINVAL) where the arena is one without `map_extra` that was mapped elsewhere.
   */
  get memory(): Memory {
    return this.#mapped().memory;
  }

  /** Where it is in this process: what a pointer into it begins with. */
  get address(): bigint {
    return BigInt(this.#mapped().address);
  }

  /** Where the variables begin that the object has in it (`address_space(1)`), in bytes. */
  get dataOffset(): number {
    return arenaDataOffset(this.spec);
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
