/**
 * `__arg_ctx` for kernels before 6.8, which do not know the tag `arg:ctx`: a global function's parameter gets the type
 * that they take for the context of the program's type. Source: bpf_program_fixup_func_info and global_ctx_types in
 * libbpf's libbpf.c.
 */
import type { Btf } from "../btf/btf.ts";
import { BtfBuilder, typeInfo } from "../btf/builder.ts";
import { TYPE_WORDS } from "../btf/records.ts";
import {
  BPF_PROG_TYPE_CGROUP_DEVICE,
  BPF_PROG_TYPE_CGROUP_SKB,
  BPF_PROG_TYPE_CGROUP_SOCK,
  BPF_PROG_TYPE_CGROUP_SOCK_ADDR,
  BPF_PROG_TYPE_CGROUP_SOCKOPT,
  BPF_PROG_TYPE_CGROUP_SYSCTL,
  BPF_PROG_TYPE_FLOW_DISSECTOR,
  BPF_PROG_TYPE_KPROBE,
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
  BPF_PROG_TYPE_SK_LOOKUP,
  BPF_PROG_TYPE_SK_MSG,
  BPF_PROG_TYPE_SK_REUSEPORT,
  BPF_PROG_TYPE_SK_SKB,
  BPF_PROG_TYPE_SOCK_OPS,
  BPF_PROG_TYPE_SOCKET_FILTER,
  BPF_PROG_TYPE_XDP,
} from "../uapi/bpf.ts";
import { BTF_FUNC_GLOBAL, BTF_KIND_PTR, BTF_KIND_STRUCT } from "../uapi/btf.ts";

/** The struct that is the context, by program type; kernels compare its name. */
const CONTEXTS: { readonly [programType: number]: string } = {
  [BPF_PROG_TYPE_CGROUP_DEVICE]: "bpf_cgroup_dev_ctx",
  [BPF_PROG_TYPE_CGROUP_SKB]: "__sk_buff",
  [BPF_PROG_TYPE_CGROUP_SOCK]: "bpf_sock",
  [BPF_PROG_TYPE_CGROUP_SOCK_ADDR]: "bpf_sock_addr",
  [BPF_PROG_TYPE_CGROUP_SOCKOPT]: "bpf_sockopt",
  [BPF_PROG_TYPE_CGROUP_SYSCTL]: "bpf_sysctl",
  [BPF_PROG_TYPE_FLOW_DISSECTOR]: "__sk_buff",
  [BPF_PROG_TYPE_KPROBE]: "bpf_user_pt_regs_t",
  [BPF_PROG_TYPE_LWT_IN]: "__sk_buff",
  [BPF_PROG_TYPE_LWT_OUT]: "__sk_buff",
  [BPF_PROG_TYPE_LWT_SEG6LOCAL]: "__sk_buff",
  [BPF_PROG_TYPE_LWT_XMIT]: "__sk_buff",
  [BPF_PROG_TYPE_NETFILTER]: "bpf_nf_ctx",
  [BPF_PROG_TYPE_PERF_EVENT]: "bpf_perf_event_data",
  [BPF_PROG_TYPE_RAW_TRACEPOINT]: "bpf_raw_tracepoint_args",
  [BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE]: "bpf_raw_tracepoint_args",
  [BPF_PROG_TYPE_SCHED_ACT]: "__sk_buff",
  [BPF_PROG_TYPE_SCHED_CLS]: "__sk_buff",
  [BPF_PROG_TYPE_SK_LOOKUP]: "bpf_sk_lookup",
  [BPF_PROG_TYPE_SK_MSG]: "sk_msg_md",
  [BPF_PROG_TYPE_SK_REUSEPORT]: "sk_reuseport_md",
  [BPF_PROG_TYPE_SK_SKB]: "__sk_buff",
  [BPF_PROG_TYPE_SOCK_OPS]: "bpf_sock_ops",
  [BPF_PROG_TYPE_SOCKET_FILTER]: "__sk_buff",
  [BPF_PROG_TYPE_XDP]: "xdp_md",
};

/** A parameter with the tag: its func_proto and index. */
interface Parameter {
  readonly proto: number;
  readonly index: number;
}

/** BTF for programs of one type in which tagged parameters are contexts; undefined where there are none to change. */
export function withContextTypes(btf: Btf, programType: number): Btf | undefined {
  const context = CONTEXTS[programType];
  const parameters = context === undefined ? [] : taggedParameters(btf);
  if (context === undefined || parameters.length === 0) return undefined;
  const builder = new BtfBuilder(btf);
  // The kernel wants a struct, whole: what a program has of it, or one with nothing in it.
  const struct = btf.findByName(context, "struct") || builder.add(context, typeInfo(BTF_KIND_STRUCT), 0);
  const pointer = builder.add("", typeInfo(BTF_KIND_PTR), struct);
  const changed = builder.finish();
  for (const { proto, index } of parameters) changed.patch(proto, TYPE_WORDS + index * 2 + 1, pointer);
  return changed;
}

function taggedParameters(btf: Btf): Parameter[] {
  return [...btf.idsOf("decl_tag")].flatMap((id) => {
    const tag = btf.type(id);
    const fn = tag.kind === "decl_tag" && tag.name === "arg:ctx" ? btf.type(tag.type) : undefined;
    if (tag.kind !== "decl_tag" || fn?.kind !== "func" || fn.linkage !== BTF_FUNC_GLOBAL) return [];
    const proto = btf.type(fn.type);
    const known = proto.kind === "func_proto" && tag.component >= 0 && tag.component < proto.params.length;
    return known ? [{ proto: fn.type, index: tag.component }] : [];
  });
}
