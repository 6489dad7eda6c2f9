// The list of map types, and the creation of a map of any of them.

import type { Btf, MapSpec } from "elf-loader";
import { E2BIG, EINVAL, ENOMEM } from "elf-loader/uapi";
import { kernelRelease } from "../host/kernel.ts";
import { kernelError } from "../host/kernel-error.ts";
import { mapCreate, mapFreeze } from "../sys/bpf.ts";
import { Fd } from "../sys/fd.ts";
import { cString } from "../sys/libc.ts";
import { withMemlockRaised } from "../sys/memlock.ts";
import { array, BpfArray } from "./array.ts";
import { hash } from "./hash.ts";
import { BpfMap } from "./map.ts";
import { perCpuArray } from "./per-cpu-array.ts";
import { perfEventArray } from "./perf-event-array.ts";
import { ringBuffer } from "./ring-buffer.ts";
import type { MapType } from "./type.ts";

const TYPES: readonly MapType[] = [hash, array, perCpuArray, perfEventArray, ringBuffer];

/** Types without a class of their own are created all the same, as plain BpfMaps. */
function typeOf(spec: MapSpec): MapType {
  const known = TYPES.find((row) => row.type === spec.type);
  return known ?? { type: spec.type, name: `type ${spec.type}`, since: "?", Map: BpfMap };
}

/** The object's BTF, in TypeScript and, where the kernel took it, in the kernel. */
export interface LoadedBtf {
  readonly types?: Btf;
  readonly fd?: number;
}

/** Creates the map, with its content where it is a data section, frozen where it is read-only. */
export function createMap(wanted: MapSpec, btf: LoadedBtf = {}): BpfMap {
  const type = typeOf(wanted);
  const spec = type.adjust?.(wanted) ?? wanted;
  const number = create(spec, btf.fd);
  if (number < 0) throw createError(number, spec, type);
  const map = new type.Map(spec, new Fd(number), btf.types);
  try {
    if (spec.contents && map instanceof BpfArray) fill(map, spec, spec.contents);
  } catch (error) {
    map.close();
    throw error;
  }
  return map;
}

function create(spec: MapSpec, btfFd: number | undefined): number {
  const fields = {
    map_type: spec.type,
    key_size: spec.keySize,
    value_size: spec.valueSize,
    max_entries: spec.maxEntries,
    map_flags: spec.flags,
    numa_node: spec.numaNode,
    map_extra: spec.mapExtra,
    map_name: cString(spec.name.replace(/[^A-Za-z0-9_.]/g, "_").slice(0, 15)),
  };
  const typed = { ...fields, btf_fd: btfFd, btf_key_type_id: spec.keyTypeId, btf_value_type_id: spec.valueTypeId };
  if (btfFd === undefined || spec.valueTypeId === 0) return withMemlockRaised(() => mapCreate(fields));
  const result = withMemlockRaised(() => mapCreate(typed));
  // Several map types take no BTF, and old kernels take less: the map matters more than its description.
  return result < 0 ? withMemlockRaised(() => mapCreate(fields)) : result;
}

/** Before any program is loaded: the verifier reads frozen maps as constants. */
function fill(map: BpfArray, spec: MapSpec, contents: Uint8Array): void {
  map.setBytes(0, contents);
  if (spec.frozen) mapFreeze(map.fd.number); // refused before 5.2: then it stays writable
}

function createError(result: number, spec: MapSpec, type: MapType) {
  const geometry = `${type.name}, key ${spec.keySize}, value ${spec.valueSize}, ${spec.maxEntries} entries`;
  const context = {
    doing: `create map ${spec.name} (${geometry})`,
    call: "bpf(BPF_MAP_CREATE)",
    subject: `map ${spec.name}`,
  };
  const errno = -result;
  if (errno === EINVAL) {
    return kernelError(result, {
      ...context,
      unsupported: true,
      likely: `${type.name} came with kernel ${type.since}, this is ${kernelRelease()}`,
      action: "use another mode or a newer kernel",
    });
  }
  if (errno === ENOMEM || errno === E2BIG) {
    return kernelError(result, {
      ...context,
      likely: "the map is larger than the memory it may have",
      action: "ask for a smaller one",
    });
  }
  return kernelError(result, context);
}
