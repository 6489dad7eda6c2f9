// Where XDP programs redirect packets to: DEVMAP, DEVMAP_HASH (kernel/bpf/devmap.c: interfaces) and CPUMAP
// (kernel/bpf/cpumap.c: CPUs, each with a queue). Values have 4 bytes, or 8 with a program that runs there (5.8, 5.9).

import type { Memory } from "elf-loader";
import { BPF_F_RDONLY_PROG, BPF_MAP_TYPE_CPUMAP, BPF_MAP_TYPE_DEVMAP, BPF_MAP_TYPE_DEVMAP_HASH } from "elf-loader/uapi";
import { type Codec, indexCodec, scratch } from "./codec.ts";
import { fdOf, type HasFd } from "./descriptors.ts";
import { BpfKeyedMap } from "./table.ts";
import type { MapType } from "./type.ts";

/** An interface by its number, and the program that packets go through on their way out (values of 8 bytes). */
export interface DeviceTarget {
  readonly ifindex: number;
  readonly program?: HasFd;
}

/** A CPU's queue in packets, and the program that packets go through there (values of 8 bytes). */
export interface CpuTarget {
  readonly queueSize: number;
  readonly program?: HasFd;
}

/** What is read: the program by the kernel's number. */
export interface ReadTarget {
  readonly programId?: number;
  readonly program?: never;
}

/** struct bpf_devmap_val and bpf_cpumap_val: a number, and a descriptor that is read back as a number. */
function targetCodec(size: number, name: "ifindex" | "queueSize"): Codec {
  return {
    size,
    decode(memory: Memory, offset: number) {
      const [number, id] = [
        memory.view.getUint32(offset, true),
        size < 8 ? 0 : memory.view.getUint32(offset + 4, true),
      ];
      return { [name]: number, ...(id ? { programId: id } : {}) };
    },
    encode(value) {
      const target = (typeof value === "number" ? { [name]: value } : value) as { [key: string]: unknown };
      const { program } = target as { program?: HasFd };
      if (program !== undefined && size < 8)
        throw new TypeError("Cannot encode a program: the map's values have 4 bytes");
      const bytes = scratch(8);
      bytes.u32[0] = Number(target[name]);
      if (program !== undefined) bytes.u32[1] = fdOf(program);
      return bytes.u8.subarray(0, size);
    },
  };
}

/** Interfaces by index, or by any number in a DEVMAP_HASH. Empty slots are not there. */
export class BpfDevMap extends BpfKeyedMap<number, DeviceTarget & ReadTarget, number | DeviceTarget> {
  protected override readonly walksInBatches = false;

  protected override makeKeyCodec(): Codec {
    return indexCodec as Codec;
  }

  protected override makeValueCodec(): Codec {
    return targetCodec(this.spec.valueSize, "ifindex");
  }
}

/** CPUs by number. Empty slots are not there. */
export class BpfCpuMap extends BpfKeyedMap<number, CpuTarget & ReadTarget, number | CpuTarget> {
  protected override readonly walksInBatches = false;

  protected override makeKeyCodec(): Codec {
    return indexCodec as Codec;
  }

  protected override makeValueCodec(): Codec {
    return targetCodec(this.spec.valueSize, "queueSize");
  }
}

export const devMap: MapType = {
  type: BPF_MAP_TYPE_DEVMAP,
  name: "DEVMAP",
  since: "4.14",
  capability: "CAP_NET_ADMIN",
  Map: BpfDevMap,
  addedFlags: BPF_F_RDONLY_PROG,
};

export const devMapHash: MapType = {
  type: BPF_MAP_TYPE_DEVMAP_HASH,
  name: "DEVMAP_HASH",
  since: "5.4",
  capability: "CAP_NET_ADMIN",
  Map: BpfDevMap,
  addedFlags: BPF_F_RDONLY_PROG,
};

export const cpuMap: MapType = { type: BPF_MAP_TYPE_CPUMAP, name: "CPUMAP", since: "4.15", Map: BpfCpuMap };
