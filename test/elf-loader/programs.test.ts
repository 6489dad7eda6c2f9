// Programs of an object: what their sections say, by the table of section names.
import { expect, test } from "bun:test";
import { parseObject, SECTION_ROWS } from "elf-loader";
import * as uapi from "elf-loader/uapi";
import { fixture } from "./compile.ts";

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

test("every row of the table is tried above", () => {
  for (const { name } of SECTION_ROWS) {
    expect(EXPECTED.some(([, section]) => section === name || section.startsWith(`${name}/`))).toBeTrue();
  }
});

test("functions in .text and static functions are no programs", () => {
  const names = [...parseObject(fixture("calls")).programs.keys()];
  expect(names).toEqual(["global_elsewhere", "main_one", "main_two", "main_alone", "with_callback"]);
});
