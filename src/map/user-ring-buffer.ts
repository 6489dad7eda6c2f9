// BPF_MAP_TYPE_USER_RINGBUF (kernel/bpf/ringbuf.c, 6.1): from user space to a program, which takes records out by
// bpf_user_ringbuf_drain(). Written by events/user-ring-buffer.ts.

import { BPF_MAP_TYPE_USER_RINGBUF } from "elf-loader/uapi";
import { PAGE_SIZE } from "../sys/libc.ts";
import { BpfMap } from "./map.ts";
import { roundUp, SIZED } from "./ring-buffer.ts";
import type { MapType } from "./type.ts";

export class BpfUserRingBufferMap extends BpfMap {}

export const userRingBuffer: MapType = {
  type: BPF_MAP_TYPE_USER_RINGBUF,
  name: "USER_RINGBUF",
  since: "6.1",
  Map: BpfUserRingBufferMap,
  adjust: roundUp,
  only: SIZED,
  least: { key_size: 0, value_size: 0, max_entries: PAGE_SIZE },
};
