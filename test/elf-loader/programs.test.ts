// Programs of an object: what their sections say, by the table of section names.
import { expect, test } from "bun:test";
import { ProgramSpec, parseObject, SECTION_ROWS } from "elf-loader";
import * as uapi from "elf-loader/uapi";
import { fixture } from "./compile.ts";
import { askLibbpf } from "./libbpf-sections.ts";

/** Program, section, type, attach type, hook, target. From libbpf's section_defs. */
const EXPECTED: [string, string, number, number, string, string | undefined][] = [
  ["bare_kprobe", "kprobe", uapi.BPF_PROG_TYPE_KPROBE, 0, "kprobe", undefined],
  ["named_kprobe", "kprobe/do_sys_open", uapi.BPF_PROG_TYPE_KPROBE, 0, "kprobe", "do_sys_open"],
  ["named_kretprobe", "kretprobe/do_sys_open", uapi.BPF_PROG_TYPE_KPROBE, 0, "kretprobe", "do_sys_open"],
  [
    ...(["long_tracepoint", "tracepoint/syscalls/sys_enter_execve", uapi.BPF_PROG_TYPE_TRACEPOINT, 0] as const),
    ...(["tracepoint", "syscalls/sys_enter_execve"] as const),
  ],
  ["short_tracepoint", "tp/sched/sched_switch", uapi.BPF_PROG_TYPE_TRACEPOINT, 0, "tracepoint", "sched/sched_switch"],
  ["raw", "raw_tracepoint/sys_enter", uapi.BPF_PROG_TYPE_RAW_TRACEPOINT, 0, "raw_tracepoint", "sys_enter"],
  ["short_raw", "raw_tp/sys_exit", uapi.BPF_PROG_TYPE_RAW_TRACEPOINT, 0, "raw_tracepoint", "sys_exit"],
  ["typed", "tp_btf/sched_switch", uapi.BPF_PROG_TYPE_TRACING, uapi.BPF_TRACE_RAW_TP, "tp_btf", "sched_switch"],
  ["entry", "fentry/vfs_read", uapi.BPF_PROG_TYPE_TRACING, uapi.BPF_TRACE_FENTRY, "fentry", "vfs_read"],
  ["leave", "fexit/vfs_read", uapi.BPF_PROG_TYPE_TRACING, uapi.BPF_TRACE_FEXIT, "fexit", "vfs_read"],
  ["filter", "socket", uapi.BPF_PROG_TYPE_SOCKET_FILTER, 0, "socket", undefined],
  ["packet", "xdp", uapi.BPF_PROG_TYPE_XDP, uapi.BPF_XDP, "xdp", undefined],
  ["later", "kprobe/later", uapi.BPF_PROG_TYPE_KPROBE, 0, "kprobe", "later"],
  ["not_xdp", "xdp_foo", uapi.BPF_PROG_TYPE_UNSPEC, 0, "", undefined],
  ["not_kprobe", "kprobe.s/foo", uapi.BPF_PROG_TYPE_UNSPEC, 0, "", "foo"],
  ["unknown", "whatever/it/is", uapi.BPF_PROG_TYPE_UNSPEC, 0, "", "it/is"],
];

const { programs } = parseObject(fixture("sections"));

test("every program of the object, in order", () => {
  expect([...programs.keys()]).toEqual(EXPECTED.map(([name]) => name));
});

for (const [name, section, type, expectedAttachType, hook, target] of EXPECTED) {
  test(`${name}: SEC("${section}")`, () => {
    expect(programs.get(name)).toMatchObject({ name, section, type, expectedAttachType, flags: 0, hook });
    expect(programs.get(name)?.target).toBe(target);
    expect(programs.get(name)?.autoload).toBe(name !== "later");
    expect(programs.get(name)?.sleepable).toBeFalse();
  });
}

/** Rows of names younger than the libbpf that is asked below: from its source, section_defs of libbpf 1.8. */
const YOUNGER: { readonly [section: string]: readonly [type: number, attachType: number] } = {
  "tracepoint.s": [uapi.BPF_PROG_TYPE_TRACEPOINT, 0],
  "tp.s": [uapi.BPF_PROG_TYPE_TRACEPOINT, 0],
  "raw_tracepoint.s": [uapi.BPF_PROG_TYPE_RAW_TRACEPOINT, 0],
  "raw_tp.s": [uapi.BPF_PROG_TYPE_RAW_TRACEPOINT, 0],
  "tp_btf.s": [uapi.BPF_PROG_TYPE_TRACING, uapi.BPF_TRACE_RAW_TP],
  "kprobe.session": [uapi.BPF_PROG_TYPE_KPROBE, uapi.BPF_TRACE_KPROBE_SESSION],
  "uprobe.multi": [uapi.BPF_PROG_TYPE_KPROBE, uapi.BPF_TRACE_UPROBE_MULTI],
  "uretprobe.multi": [uapi.BPF_PROG_TYPE_KPROBE, uapi.BPF_TRACE_UPROBE_MULTI],
  "uprobe.session": [uapi.BPF_PROG_TYPE_KPROBE, uapi.BPF_TRACE_UPROBE_SESSION],
  "uprobe.multi.s": [uapi.BPF_PROG_TYPE_KPROBE, uapi.BPF_TRACE_UPROBE_MULTI],
  "uretprobe.multi.s": [uapi.BPF_PROG_TYPE_KPROBE, uapi.BPF_TRACE_UPROBE_MULTI],
  "uprobe.session.s": [uapi.BPF_PROG_TYPE_KPROBE, uapi.BPF_TRACE_UPROBE_SESSION],
  "usdt.s": [uapi.BPF_PROG_TYPE_KPROBE, 0],
  "tc/ingress": [uapi.BPF_PROG_TYPE_SCHED_CLS, uapi.BPF_TCX_INGRESS],
  "tc/egress": [uapi.BPF_PROG_TYPE_SCHED_CLS, uapi.BPF_TCX_EGRESS],
  "tcx/ingress": [uapi.BPF_PROG_TYPE_SCHED_CLS, uapi.BPF_TCX_INGRESS],
  "tcx/egress": [uapi.BPF_PROG_TYPE_SCHED_CLS, uapi.BPF_TCX_EGRESS],
  "netkit/primary": [uapi.BPF_PROG_TYPE_SCHED_CLS, uapi.BPF_NETKIT_PRIMARY],
  "netkit/peer": [uapi.BPF_PROG_TYPE_SCHED_CLS, uapi.BPF_NETKIT_PEER],
  fsession: [uapi.BPF_PROG_TYPE_TRACING, uapi.BPF_TRACE_FSESSION],
  "fsession.s": [uapi.BPF_PROG_TYPE_TRACING, uapi.BPF_TRACE_FSESSION],
  "fentry.multi": [uapi.BPF_PROG_TYPE_TRACING, uapi.BPF_TRACE_FENTRY_MULTI],
  "fentry.multi.s": [uapi.BPF_PROG_TYPE_TRACING, uapi.BPF_TRACE_FENTRY_MULTI],
  "fexit.multi": [uapi.BPF_PROG_TYPE_TRACING, uapi.BPF_TRACE_FEXIT_MULTI],
  "fexit.multi.s": [uapi.BPF_PROG_TYPE_TRACING, uapi.BPF_TRACE_FEXIT_MULTI],
  "fsession.multi": [uapi.BPF_PROG_TYPE_TRACING, uapi.BPF_TRACE_FSESSION_MULTI],
  "fsession.multi.s": [uapi.BPF_PROG_TYPE_TRACING, uapi.BPF_TRACE_FSESSION_MULTI],
  "sk_skb/verdict": [uapi.BPF_PROG_TYPE_SK_SKB, uapi.BPF_SK_SKB_VERDICT],
  "struct_ops.s": [uapi.BPF_PROG_TYPE_STRUCT_OPS, 0],
  "cgroup/connect_unix": [uapi.BPF_PROG_TYPE_CGROUP_SOCK_ADDR, uapi.BPF_CGROUP_UNIX_CONNECT],
  "cgroup/sendmsg_unix": [uapi.BPF_PROG_TYPE_CGROUP_SOCK_ADDR, uapi.BPF_CGROUP_UNIX_SENDMSG],
  "cgroup/recvmsg_unix": [uapi.BPF_PROG_TYPE_CGROUP_SOCK_ADDR, uapi.BPF_CGROUP_UNIX_RECVMSG],
  "cgroup/getpeername_unix": [uapi.BPF_PROG_TYPE_CGROUP_SOCK_ADDR, uapi.BPF_CGROUP_UNIX_GETPEERNAME],
  "cgroup/getsockname_unix": [uapi.BPF_PROG_TYPE_CGROUP_SOCK_ADDR, uapi.BPF_CGROUP_UNIX_GETSOCKNAME],
  netfilter: [uapi.BPF_PROG_TYPE_NETFILTER, uapi.BPF_NETFILTER],
};

/** What libbpf says of a section's name: program type, attach type, and whether it takes a target behind it. */
const libbpf = askLibbpf(SECTION_ROWS.flatMap(({ name }) => [name, `${name}/x`, `${name}x`]));

test("every row of the table is libbpf's, as it says itself or as its source does", () => {
  expect(SECTION_ROWS.length).toBe(116);
  expect(new Set(SECTION_ROWS.map(({ name }) => name)).size).toBe(SECTION_ROWS.length);
  for (const { name, programType, attachType } of SECTION_ROWS) {
    const said = libbpf.get(name) ?? YOUNGER[name];
    expect([name, programType, attachType]).toEqual([name, said?.[0] ?? -1, said?.[1] ?? -1]);
  }
  const asked = SECTION_ROWS.filter(({ name }) => libbpf.has(name));
  expect(asked.length).toBeGreaterThan(75);
  for (const { name, match } of asked) {
    // cgroup/sock and cgroup/sock_create: a longer name may be another row.
    expect([name, libbpf.has(`${name}/x`)]).toEqual([name, match === "prefix"]);
    expect([name, libbpf.has(`${name}x`)]).toEqual([name, false]);
  }
});

test("names of rows mean a program type, what only looks like one does not", () => {
  for (const { name, match, programType } of SECTION_ROWS) {
    const target = new ProgramSpec("p", `${name}/some/where`);
    const [type, where] = match === "prefix" ? [programType, "some/where"] : [uapi.BPF_PROG_TYPE_UNSPEC, undefined];
    expect([target.type, match === "prefix" ? target.target : undefined]).toEqual([type, where]);
    expect(new ProgramSpec("p", `?${name}`)).toMatchObject({ type: programType, autoload: false, target: undefined });
    expect(new ProgramSpec("p", `${name}x`).type).toBe(uapi.BPF_PROG_TYPE_UNSPEC);
  }
});

test("what may sleep, and fragments, are said by the name", () => {
  for (const { name, flags } of SECTION_ROWS) {
    const sleeps = name.endsWith(".s") || name === "syscall";
    expect([name, flags & uapi.BPF_F_SLEEPABLE]).toEqual([name, sleeps ? uapi.BPF_F_SLEEPABLE : 0]);
    const frags = name.startsWith("xdp.frags");
    expect([name, flags & uapi.BPF_F_XDP_HAS_FRAGS]).toEqual([name, frags ? uapi.BPF_F_XDP_HAS_FRAGS : 0]);
  }
});

test("functions in .text and static functions are no programs", () => {
  const names = [...parseObject(fixture("calls")).programs.keys()];
  expect(names).toEqual(["global_elsewhere", "main_one", "main_two", "main_alone", "with_callback"]);
});
