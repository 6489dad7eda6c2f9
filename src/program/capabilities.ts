// What the kernel asks of who loads a program, by its type: is_net_admin_prog_type and is_perfmon_prog_type in
// kernel/bpf/syscall.c, the same since 5.8. CAP_BPF alone is enough for what is in no list, as socket filters.

import {
  BPF_PROG_TYPE_CGROUP_DEVICE,
  BPF_PROG_TYPE_CGROUP_SOCK,
  BPF_PROG_TYPE_CGROUP_SOCK_ADDR,
  BPF_PROG_TYPE_CGROUP_SOCKOPT,
  BPF_PROG_TYPE_CGROUP_SYSCTL,
  BPF_PROG_TYPE_EXT,
  BPF_PROG_TYPE_FLOW_DISSECTOR,
  BPF_PROG_TYPE_KPROBE,
  BPF_PROG_TYPE_LIRC_MODE2,
  BPF_PROG_TYPE_LSM,
  BPF_PROG_TYPE_LWT_IN,
  BPF_PROG_TYPE_LWT_OUT,
  BPF_PROG_TYPE_LWT_SEG6LOCAL,
  BPF_PROG_TYPE_LWT_XMIT,
  BPF_PROG_TYPE_NETFILTER,
  BPF_PROG_TYPE_PERF_EVENT,
  BPF_PROG_TYPE_RAW_TRACEPOINT,
  BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE,
  BPF_PROG_TYPE_SCHED_ACT,
  BPF_PROG_TYPE_SCHED_CLS,
  BPF_PROG_TYPE_SK_MSG,
  BPF_PROG_TYPE_SK_SKB,
  BPF_PROG_TYPE_SOCK_OPS,
  BPF_PROG_TYPE_STRUCT_OPS,
  BPF_PROG_TYPE_TRACEPOINT,
  BPF_PROG_TYPE_TRACING,
  BPF_PROG_TYPE_XDP,
} from "elf-loader/uapi";

const BESIDES: readonly (readonly [capability: string, types: ReadonlySet<number>])[] = [
  [
    "CAP_PERFMON",
    new Set([
      BPF_PROG_TYPE_KPROBE,
      BPF_PROG_TYPE_TRACEPOINT,
      BPF_PROG_TYPE_PERF_EVENT,
      BPF_PROG_TYPE_RAW_TRACEPOINT,
      BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE,
      BPF_PROG_TYPE_TRACING,
      BPF_PROG_TYPE_LSM,
      BPF_PROG_TYPE_STRUCT_OPS,
      BPF_PROG_TYPE_EXT,
    ]),
  ],
  [
    "CAP_NET_ADMIN",
    new Set([
      BPF_PROG_TYPE_SCHED_CLS,
      BPF_PROG_TYPE_SCHED_ACT,
      BPF_PROG_TYPE_XDP,
      BPF_PROG_TYPE_LWT_IN,
      BPF_PROG_TYPE_LWT_OUT,
      BPF_PROG_TYPE_LWT_XMIT,
      BPF_PROG_TYPE_LWT_SEG6LOCAL,
      BPF_PROG_TYPE_SK_SKB,
      BPF_PROG_TYPE_SK_MSG,
      BPF_PROG_TYPE_LIRC_MODE2,
      BPF_PROG_TYPE_FLOW_DISSECTOR,
      BPF_PROG_TYPE_CGROUP_DEVICE,
      BPF_PROG_TYPE_CGROUP_SOCK,
      BPF_PROG_TYPE_CGROUP_SOCK_ADDR,
      BPF_PROG_TYPE_CGROUP_SOCKOPT,
      BPF_PROG_TYPE_CGROUP_SYSCTL,
      BPF_PROG_TYPE_SOCK_OPS,
      BPF_PROG_TYPE_NETFILTER,
      BPF_PROG_TYPE_EXT,
    ]),
  ],
];

/** The capabilities without which a program of this type (BPF_PROG_TYPE_*) is not loaded. */
export const capabilitiesOf = (type: number): string[] => [
  "CAP_BPF",
  ...BESIDES.flatMap(([capability, types]) => (types.has(type) ? [capability] : [])),
];
