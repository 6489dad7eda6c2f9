// BPF_MAP_TYPE_ARENA (kernel/bpf/arena.c, 6.9): memory that programs and user space share at one address, up to 4 GiB,
// whose pages appear when they are first touched. Programs that use it are loaded after it was mapped: it is from the
// start, at `map_extra` or where the kernel likes.

import { BpfRuntimeError, type MapSpec, type Memory } from "elf-loader";
import { BPF_F_MMAPABLE, BPF_MAP_TYPE_ARENA, PROT_READ, PROT_WRITE } from "elf-loader/uapi";
import type { Fd } from "../sys/fd.ts";
import { PAGE_SIZE } from "../sys/libc.ts";
import { Mapping } from "../sys/mapping.ts";
import { BpfMap, type MapContext } from "./map.ts";
import type { MapType } from "./type.ts";

export class BpfArena extends BpfMap {
  readonly #mapping: Mapping;

  constructor(spec: MapSpec, fd: Fd, context?: MapContext) {
    super(spec, fd, context);
    const length = spec.maxEntries * PAGE_SIZE;
    const mapping = Mapping.create(fd.number, length, PROT_READ | PROT_WRITE, 0, Number(spec.mapExtra));
    if (typeof mapping === "number") throw this.error(mapping, "map into memory", "mmap()");
    this.#mapping = mapping;
  }

  /** Typed views over the whole arena; not to be touched after close(), which ends the process. */
  get memory(): Memory {
    return this.#mapping.memory;
  }

  /** Where it is in this process: what a pointer into it begins with. */
  get address(): bigint {
    return BigInt(this.#mapping.address);
  }

  /** Views over a part, `offset` a multiple of 4. */
  view(offset: number, length: number): Memory {
    return this.#mapping.view(offset, length);
  }

  /** The same by a pointer that a program has written. Throws where it leads elsewhere. */
  at(pointer: bigint, length: number): Memory {
    // A program keeps pointers into an arena as the lower half of the address, or as the whole.
    const offset = Number(BigInt.asUintN(32, pointer - this.address));
    if (offset + length <= this.#mapping.length) return this.view(offset, length);
    const where = `0x${pointer.toString(16)}`;
    throw new BpfRuntimeError(`Cannot read arena ${this.name} at ${where}: it lies outside`, {
      subject: `map ${this.name}`,
    });
  }

  override close(): void {
    this.#mapping.close();
    super.close();
  }
}

export const arena: MapType = {
  type: BPF_MAP_TYPE_ARENA,
  name: "ARENA",
  since: "6.9",
  Map: BpfArena,
  adjust: (spec) => ({ ...spec, flags: spec.flags | BPF_F_MMAPABLE }), // the kernel takes it no other way
  least: { key_size: 0, value_size: 0, map_flags: BPF_F_MMAPABLE },
};
