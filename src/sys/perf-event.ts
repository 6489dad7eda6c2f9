// perf_event_open(2) and the ioctls on its descriptor (include/uapi/linux/perf_event.h).

import { PERF_EVENT_IOC_ENABLE, PERF_EVENT_IOC_SET_BPF, PERF_FLAG_FD_CLOEXEC, perf_event_attr } from "elf-loader/uapi";
import { ioctl, syscall } from "./libc.ts";
import { encodeStruct, type Fields } from "./struct.ts";
import { SYSCALL_NUMBERS } from "./syscall-numbers.ts";

const NR_PERF_EVENT_OPEN = SYSCALL_NUMBERS.get("perf_event_open") ?? -1;

/** PERF_ATTR_SIZE_VER5 (4.1): ends before fields that kernels here may not know and none of ours needs. */
const ATTR_SIZE = 112;

/** The event's descriptor or -errno. `pid` -1: every task. Arrays in `attr` must outlive the call. */
export function perfEventOpen(attr: Fields, pid: number, cpu: number): number {
  const { bytes } = encodeStruct(perf_event_attr, { ...attr, size: ATTR_SIZE });
  return syscall(NR_PERF_EVENT_OPEN, bytes, pid, cpu, -1, PERF_FLAG_FD_CLOEXEC);
}

/** The answer to flags that no kernel has: -EINVAL, unless something before the kernel refuses the call itself. */
export const probePerfFlags = (): number => syscall(NR_PERF_EVENT_OPEN, 0, 0, 0, -1, NO_FLAGS);
const NO_FLAGS = 0x7fff_0000;

export const perfEventEnable = (fd: number): number => ioctl(fd, PERF_EVENT_IOC_ENABLE, 0);
/** Attaches without a link: the way of kernels before 5.15. */
export const perfEventSetBpf = (fd: number, program: number): number => ioctl(fd, PERF_EVENT_IOC_SET_BPF, program);
