// Where XDP programs redirect packets to: DEVMAP, DEVMAP_HASH (kernel/bpf/devmap.c: interfaces) and CPUMAP
// (kernel/bpf/cpumap.c: CPUs, each with a queue). Values have 4 bytes, or 8 with a program that runs there (5.8, 5.9).
// A number of 0 would empty the slot: that is delete()'s business.

import type { Memory } from "elf-loader";
import { BPF_F_RDONLY_PROG, BPF_MAP_TYPE_CPUMAP, BPF_MAP_TYPE_DEVMAP, BPF_MAP_TYPE_DEVMAP_HASH } from "elf-loader/uapi";
import { findInterface } from "../host/interfaces.ts";
import { type Codec, indexCodec, parseJson, scratch, shown } from "./codec.ts";
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
function targetCodec(size: number, name: "ifindex" | "queueSize", parse = parseTarget): Codec {
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
      const target = (typeof value === "object" ? { ...value } : { [name]: value }) as { program?: HasFd };
      const { [name]: number, program, ...more } = target as { [key: string]: unknown; program?: HasFd };
      for (const other of Object.keys(more))
        throw new TypeError(`Cannot encode ${other}: expected ${name} and, by its descriptor, program`);
      if (number === undefined) throw new TypeError(`Cannot encode ${shown(value)}: ${name} is missing`);
      if (typeof number !== "number" || !Number.isInteger(number) || number < 1 || number > 0xffff_ffff)
        throw new TypeError(`Cannot encode ${shown(number)} as ${name}: expected an integer from 1`);
      if (program !== undefined && size < 8)
        throw new TypeError("Cannot encode a program: the map's values have 4 bytes");
      const bytes = scratch(8);
      bytes.u32[0] = number;
      if (program !== undefined) bytes.u32[1] = fdOf(program);
      return bytes.u8.subarray(0, size);
    },
    parse,
  };
}

/** A number, or a target as JSON; a descriptor cannot be typed. */
function parseTarget(text: string): unknown {
  const target = parseJson(text);
  if (Object(target).program === undefined) return target;
  throw new TypeError("Cannot use program: a program is put there by who has loaded it");
}

/** The same, or an interface by its name. */
function parseInterface(text: string): unknown {
  if (typeof parseJson(text) !== "string") return parseTarget(text);
  const found = findInterface(text);
  if (typeof found === "number") return found;
  throw new TypeError(`Cannot find it: ${found}`);
}

/** Slots that the kernel empties without a word about what was in them. */
class BpfTargets<Target> extends BpfKeyedMap<number, Target & ReadTarget, number | Target> {
  protected override readonly walksInBatches = false;

  protected override makeKeyCodec(): Codec {
    return indexCodec as Codec;
  }

  protected override remove(key: Uint8Array): boolean {
    return this.lookup(key, scratch(8).u8) && super.remove(key);
  }
}

/** Interfaces by index, or by any number in a DEVMAP_HASH. Empty slots are not there. */
export class BpfDevMap extends BpfTargets<DeviceTarget> {
  protected override makeValueCodec(): Codec {
    return targetCodec(this.spec.valueSize, "ifindex", parseInterface);
  }
}

/** CPUs by number. Empty slots are not there. */
export class BpfCpuMap extends BpfTargets<CpuTarget> {
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
