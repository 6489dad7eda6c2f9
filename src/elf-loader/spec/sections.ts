/**
 * What a SEC() name says about the program in it, as data. A row is one name: alone, or in `prefix` rows also followed
 * by `/target`. Source: section_defs in libbpf's libbpf.c, all of its rows under its names.
 */
import * as uapi from "../uapi/bpf.ts";

export interface SectionRow {
  readonly name: string;
  readonly match: "exact" | "prefix";
  /** BPF_PROG_TYPE_*. */
  readonly programType: number;
  /** BPF_* attach type, 0 where the program type has only one. */
  readonly attachType: number;
  /** Kernels from before this program type had attach types take it without one. */
  readonly attachTypeOptional: boolean;
  /** BPF_F_* of program load. */
  readonly flags: number;
  /** What attaches it: a hook in the loader's folder of links; empty for what is no hook, as a program of a map. */
  readonly hook: string;
}

interface RowOptions {
  readonly match?: SectionRow["match"];
  readonly hook?: string;
  readonly flags?: number;
  readonly optional?: boolean;
}

function row(name: string, programType: number, attachType = 0, options: RowOptions = {}): SectionRow {
  const { match = "exact", hook = name, flags = 0, optional = false } = options;
  return { name, match, programType, attachType, attachTypeOptional: optional, flags, hook };
}

/** Rows whose names may be followed by a target. */
const targeted = (name: string, programType: number, attachType = 0, options: RowOptions = {}): SectionRow =>
  row(name, programType, attachType, { match: "prefix", ...options });

/** A row and the one of programs that may sleep, which has `.s` behind its name. */
const andSleepable = (name: string, programType: number, attachType = 0, hook = name): SectionRow[] => [
  targeted(name, programType, attachType, { hook }),
  targeted(`${name}.s`, programType, attachType, { hook, flags: uapi.BPF_F_SLEEPABLE }),
];

const frags = { flags: uapi.BPF_F_XDP_HAS_FRAGS };
const noHook = { hook: "" };

const PROBES: readonly SectionRow[] = [
  targeted("kprobe", uapi.BPF_PROG_TYPE_KPROBE),
  targeted("kretprobe", uapi.BPF_PROG_TYPE_KPROBE),
  ...andSleepable("uprobe", uapi.BPF_PROG_TYPE_KPROBE),
  ...andSleepable("uretprobe", uapi.BPF_PROG_TYPE_KPROBE),
  targeted("kprobe.multi", uapi.BPF_PROG_TYPE_KPROBE, uapi.BPF_TRACE_KPROBE_MULTI),
  targeted("kretprobe.multi", uapi.BPF_PROG_TYPE_KPROBE, uapi.BPF_TRACE_KPROBE_MULTI),
  targeted("kprobe.session", uapi.BPF_PROG_TYPE_KPROBE, uapi.BPF_TRACE_KPROBE_SESSION),
  ...andSleepable("uprobe.multi", uapi.BPF_PROG_TYPE_KPROBE, uapi.BPF_TRACE_UPROBE_MULTI),
  ...andSleepable("uretprobe.multi", uapi.BPF_PROG_TYPE_KPROBE, uapi.BPF_TRACE_UPROBE_MULTI),
  ...andSleepable("uprobe.session", uapi.BPF_PROG_TYPE_KPROBE, uapi.BPF_TRACE_UPROBE_SESSION),
  targeted("ksyscall", uapi.BPF_PROG_TYPE_KPROBE),
  targeted("kretsyscall", uapi.BPF_PROG_TYPE_KPROBE),
  ...andSleepable("usdt", uapi.BPF_PROG_TYPE_KPROBE),
];

const TRACEPOINTS: readonly SectionRow[] = [
  ...andSleepable("tracepoint", uapi.BPF_PROG_TYPE_TRACEPOINT),
  ...andSleepable("tp", uapi.BPF_PROG_TYPE_TRACEPOINT, 0, "tracepoint"),
  ...andSleepable("raw_tracepoint", uapi.BPF_PROG_TYPE_RAW_TRACEPOINT),
  ...andSleepable("raw_tp", uapi.BPF_PROG_TYPE_RAW_TRACEPOINT, 0, "raw_tracepoint"),
  targeted("raw_tracepoint.w", uapi.BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE, 0, { hook: "raw_tracepoint" }),
  targeted("raw_tp.w", uapi.BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE, 0, { hook: "raw_tracepoint" }),
];

/** Their target is a type of the kernel's BTF, or of a program's. */
const TRACING: readonly SectionRow[] = [
  ...andSleepable("tp_btf", uapi.BPF_PROG_TYPE_TRACING, uapi.BPF_TRACE_RAW_TP),
  ...andSleepable("fentry", uapi.BPF_PROG_TYPE_TRACING, uapi.BPF_TRACE_FENTRY),
  ...andSleepable("fexit", uapi.BPF_PROG_TYPE_TRACING, uapi.BPF_TRACE_FEXIT),
  ...andSleepable("fmod_ret", uapi.BPF_PROG_TYPE_TRACING, uapi.BPF_MODIFY_RETURN),
  ...andSleepable("fsession", uapi.BPF_PROG_TYPE_TRACING, uapi.BPF_TRACE_FSESSION),
  ...andSleepable("fentry.multi", uapi.BPF_PROG_TYPE_TRACING, uapi.BPF_TRACE_FENTRY_MULTI),
  ...andSleepable("fexit.multi", uapi.BPF_PROG_TYPE_TRACING, uapi.BPF_TRACE_FEXIT_MULTI),
  ...andSleepable("fsession.multi", uapi.BPF_PROG_TYPE_TRACING, uapi.BPF_TRACE_FSESSION_MULTI),
  targeted("freplace", uapi.BPF_PROG_TYPE_EXT),
  ...andSleepable("lsm", uapi.BPF_PROG_TYPE_LSM, uapi.BPF_LSM_MAC),
  targeted("lsm_cgroup", uapi.BPF_PROG_TYPE_LSM, uapi.BPF_LSM_CGROUP),
  ...andSleepable("iter", uapi.BPF_PROG_TYPE_TRACING, uapi.BPF_TRACE_ITER),
  ...andSleepable("struct_ops", uapi.BPF_PROG_TYPE_STRUCT_OPS),
  row("syscall", uapi.BPF_PROG_TYPE_SYSCALL, 0, { flags: uapi.BPF_F_SLEEPABLE, hook: "" }),
  row("perf_event", uapi.BPF_PROG_TYPE_PERF_EVENT),
];

const NETWORK: readonly SectionRow[] = [
  row("socket", uapi.BPF_PROG_TYPE_SOCKET_FILTER),
  row("sk_reuseport/migrate", uapi.BPF_PROG_TYPE_SK_REUSEPORT, uapi.BPF_SK_REUSEPORT_SELECT_OR_MIGRATE, {
    hook: "sk_reuseport",
  }),
  row("sk_reuseport", uapi.BPF_PROG_TYPE_SK_REUSEPORT, uapi.BPF_SK_REUSEPORT_SELECT),
  row("tc/ingress", uapi.BPF_PROG_TYPE_SCHED_CLS, uapi.BPF_TCX_INGRESS, { hook: "tcx" }),
  row("tc/egress", uapi.BPF_PROG_TYPE_SCHED_CLS, uapi.BPF_TCX_EGRESS, { hook: "tcx" }),
  row("tcx/ingress", uapi.BPF_PROG_TYPE_SCHED_CLS, uapi.BPF_TCX_INGRESS, { hook: "tcx" }),
  row("tcx/egress", uapi.BPF_PROG_TYPE_SCHED_CLS, uapi.BPF_TCX_EGRESS, { hook: "tcx" }),
  row("tc", uapi.BPF_PROG_TYPE_SCHED_CLS),
  row("classifier", uapi.BPF_PROG_TYPE_SCHED_CLS, 0, { hook: "tc" }),
  row("action", uapi.BPF_PROG_TYPE_SCHED_ACT, 0, noHook),
  row("netkit/primary", uapi.BPF_PROG_TYPE_SCHED_CLS, uapi.BPF_NETKIT_PRIMARY, { hook: "netkit" }),
  row("netkit/peer", uapi.BPF_PROG_TYPE_SCHED_CLS, uapi.BPF_NETKIT_PEER, { hook: "netkit" }),
  row("xdp.frags/devmap", uapi.BPF_PROG_TYPE_XDP, uapi.BPF_XDP_DEVMAP, { ...frags, ...noHook }),
  row("xdp/devmap", uapi.BPF_PROG_TYPE_XDP, uapi.BPF_XDP_DEVMAP, noHook),
  row("xdp.frags/cpumap", uapi.BPF_PROG_TYPE_XDP, uapi.BPF_XDP_CPUMAP, { ...frags, ...noHook }),
  row("xdp/cpumap", uapi.BPF_PROG_TYPE_XDP, uapi.BPF_XDP_CPUMAP, noHook),
  row("xdp.frags", uapi.BPF_PROG_TYPE_XDP, uapi.BPF_XDP, { ...frags, hook: "xdp" }),
  row("xdp", uapi.BPF_PROG_TYPE_XDP, uapi.BPF_XDP, { optional: true }),
  row("lwt_in", uapi.BPF_PROG_TYPE_LWT_IN, 0, noHook),
  row("lwt_out", uapi.BPF_PROG_TYPE_LWT_OUT, 0, noHook),
  row("lwt_xmit", uapi.BPF_PROG_TYPE_LWT_XMIT, 0, noHook),
  row("lwt_seg6local", uapi.BPF_PROG_TYPE_LWT_SEG6LOCAL, 0, noHook),
  row("flow_dissector", uapi.BPF_PROG_TYPE_FLOW_DISSECTOR, uapi.BPF_FLOW_DISSECTOR, { hook: "netns", optional: true }),
  row("sk_lookup", uapi.BPF_PROG_TYPE_SK_LOOKUP, uapi.BPF_SK_LOOKUP, { hook: "netns" }),
  row("netfilter", uapi.BPF_PROG_TYPE_NETFILTER, uapi.BPF_NETFILTER),
  row("lirc_mode2", uapi.BPF_PROG_TYPE_LIRC_MODE2, uapi.BPF_LIRC_MODE2, { ...noHook, optional: true }),
];

const ofSockets = { hook: "sockmap", optional: true };
const SOCKET_MAPS: readonly SectionRow[] = [
  row("sk_skb/stream_parser", uapi.BPF_PROG_TYPE_SK_SKB, uapi.BPF_SK_SKB_STREAM_PARSER, ofSockets),
  row("sk_skb/stream_verdict", uapi.BPF_PROG_TYPE_SK_SKB, uapi.BPF_SK_SKB_STREAM_VERDICT, ofSockets),
  row("sk_skb/verdict", uapi.BPF_PROG_TYPE_SK_SKB, uapi.BPF_SK_SKB_VERDICT, ofSockets),
  row("sk_skb", uapi.BPF_PROG_TYPE_SK_SKB, 0, { hook: "sockmap" }),
  row("sk_msg", uapi.BPF_PROG_TYPE_SK_MSG, uapi.BPF_SK_MSG_VERDICT, ofSockets),
];

/** Programs of a cgroup; `optional` as in row(). */
const ofCgroup = (name: string, programType: number, attachType: number, optional = false): SectionRow =>
  row(name, programType, attachType, { hook: "cgroup", optional });

const address = (name: string, attachType: number): SectionRow =>
  ofCgroup(`cgroup/${name}`, uapi.BPF_PROG_TYPE_CGROUP_SOCK_ADDR, attachType);

const CGROUPS: readonly SectionRow[] = [
  ofCgroup("sockops", uapi.BPF_PROG_TYPE_SOCK_OPS, uapi.BPF_CGROUP_SOCK_OPS, true),
  ofCgroup("cgroup_skb/ingress", uapi.BPF_PROG_TYPE_CGROUP_SKB, uapi.BPF_CGROUP_INET_INGRESS, true),
  ofCgroup("cgroup_skb/egress", uapi.BPF_PROG_TYPE_CGROUP_SKB, uapi.BPF_CGROUP_INET_EGRESS, true),
  ofCgroup("cgroup/skb", uapi.BPF_PROG_TYPE_CGROUP_SKB, 0),
  ofCgroup("cgroup/sock_create", uapi.BPF_PROG_TYPE_CGROUP_SOCK, uapi.BPF_CGROUP_INET_SOCK_CREATE),
  ofCgroup("cgroup/sock_release", uapi.BPF_PROG_TYPE_CGROUP_SOCK, uapi.BPF_CGROUP_INET_SOCK_RELEASE),
  ofCgroup("cgroup/sock", uapi.BPF_PROG_TYPE_CGROUP_SOCK, uapi.BPF_CGROUP_INET_SOCK_CREATE, true),
  ofCgroup("cgroup/post_bind4", uapi.BPF_PROG_TYPE_CGROUP_SOCK, uapi.BPF_CGROUP_INET4_POST_BIND),
  ofCgroup("cgroup/post_bind6", uapi.BPF_PROG_TYPE_CGROUP_SOCK, uapi.BPF_CGROUP_INET6_POST_BIND),
  address("bind4", uapi.BPF_CGROUP_INET4_BIND),
  address("bind6", uapi.BPF_CGROUP_INET6_BIND),
  address("connect4", uapi.BPF_CGROUP_INET4_CONNECT),
  address("connect6", uapi.BPF_CGROUP_INET6_CONNECT),
  address("connect_unix", uapi.BPF_CGROUP_UNIX_CONNECT),
  address("sendmsg4", uapi.BPF_CGROUP_UDP4_SENDMSG),
  address("sendmsg6", uapi.BPF_CGROUP_UDP6_SENDMSG),
  address("sendmsg_unix", uapi.BPF_CGROUP_UNIX_SENDMSG),
  address("recvmsg4", uapi.BPF_CGROUP_UDP4_RECVMSG),
  address("recvmsg6", uapi.BPF_CGROUP_UDP6_RECVMSG),
  address("recvmsg_unix", uapi.BPF_CGROUP_UNIX_RECVMSG),
  address("getpeername4", uapi.BPF_CGROUP_INET4_GETPEERNAME),
  address("getpeername6", uapi.BPF_CGROUP_INET6_GETPEERNAME),
  address("getpeername_unix", uapi.BPF_CGROUP_UNIX_GETPEERNAME),
  address("getsockname4", uapi.BPF_CGROUP_INET4_GETSOCKNAME),
  address("getsockname6", uapi.BPF_CGROUP_INET6_GETSOCKNAME),
  address("getsockname_unix", uapi.BPF_CGROUP_UNIX_GETSOCKNAME),
  ofCgroup("cgroup/sysctl", uapi.BPF_PROG_TYPE_CGROUP_SYSCTL, uapi.BPF_CGROUP_SYSCTL),
  ofCgroup("cgroup/getsockopt", uapi.BPF_PROG_TYPE_CGROUP_SOCKOPT, uapi.BPF_CGROUP_GETSOCKOPT),
  ofCgroup("cgroup/setsockopt", uapi.BPF_PROG_TYPE_CGROUP_SOCKOPT, uapi.BPF_CGROUP_SETSOCKOPT),
  ofCgroup("cgroup/dev", uapi.BPF_PROG_TYPE_CGROUP_DEVICE, uapi.BPF_CGROUP_DEVICE, true),
];

export const SECTION_ROWS: readonly SectionRow[] = [
  ...PROBES,
  ...TRACEPOINTS,
  ...TRACING,
  ...NETWORK,
  ...SOCKET_MAPS,
  ...CGROUPS,
];

const ROW_BY_NAME = new Map(SECTION_ROWS.map((row) => [row.name, row]));

/** The row of a SEC() name without its `?`, if there is one. */
export function findSectionRow(section: string): SectionRow | undefined {
  const exact = ROW_BY_NAME.get(section);
  if (exact) return exact;
  // No name of a prefix row has a slash in it.
  const row = ROW_BY_NAME.get(section.split("/", 1)[0] ?? "");
  return row?.match === "prefix" ? row : undefined;
}
