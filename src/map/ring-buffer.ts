// BPF_MAP_TYPE_RINGBUF (kernel/bpf/ringbuf.c): one buffer for all CPUs. Read by events/ring-buffer.ts.

import type { MapSpec } from "elf-loader";
import { BPF_MAP_TYPE_RINGBUF } from "elf-loader/uapi";
import { PAGE_SIZE } from "../sys/libc.ts";
import { BpfMap } from "./map.ts";
import { powerOfTwoPages } from "./pages.ts";
import type { MapType } from "./type.ts";

export class BpfRingBufferMap extends BpfMap {}

/** The kernel takes only a power of two of pages (ringbuf_map_alloc), and none of no size; above 2 GiB there is none. */
export function roundUp(spec: MapSpec): MapSpec {
  const maxEntries = powerOfTwoPages(spec.maxEntries) * PAGE_SIZE;
  return spec.maxEntries === 0 || maxEntries > MOST ? spec : { ...spec, maxEntries };
}

/** The greatest power of two that max_entries holds. */
const MOST = 2 ** 31;

export const SIZED = { maxEntries: (wanted: number) => wanted || PAGE_SIZE, says: "with bytes as max_entries" };

export const ringBuffer: MapType = {
  type: BPF_MAP_TYPE_RINGBUF,
  name: "RINGBUF",
  since: "5.8",
  Map: BpfRingBufferMap,
  adjust: roundUp,
  only: SIZED,
  least: { key_size: 0, value_size: 0, max_entries: PAGE_SIZE },
};
