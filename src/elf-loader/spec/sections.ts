/**
 * What a SEC() name says about the program in it, as data. A row is one name; `NAME` in `prefix` rows is alone or
 * followed by `/target`. Source: section_defs in libbpf's libbpf.c.
 */
import {
  BPF_PROG_TYPE_KPROBE,
  BPF_PROG_TYPE_RAW_TRACEPOINT,
  BPF_PROG_TYPE_SOCKET_FILTER,
  BPF_PROG_TYPE_TRACEPOINT,
  BPF_PROG_TYPE_TRACING,
  BPF_PROG_TYPE_XDP,
  BPF_TRACE_FENTRY,
  BPF_TRACE_FEXIT,
  BPF_TRACE_RAW_TP,
  BPF_XDP,
} from "../uapi/bpf.ts";

export interface SectionRow {
  readonly name: string;
  readonly match: "exact" | "prefix";
  /** BPF_PROG_TYPE_*. */
  readonly programType: number;
  /** BPF_* attach type, 0 where the program type has only one. */
  readonly attachType: number;
  /** BPF_F_* of program load. */
  readonly flags: number;
  /** What attaches it: a file in the loader's folder of links. */
  readonly hook: string;
}

const row = (
  match: SectionRow["match"],
  name: string,
  programType: number,
  attachType = 0,
  hook = name,
): SectionRow => ({
  name,
  match,
  programType,
  attachType,
  flags: 0,
  hook,
});

export const SECTION_ROWS: readonly SectionRow[] = [
  row("exact", "socket", BPF_PROG_TYPE_SOCKET_FILTER),
  row("prefix", "kprobe", BPF_PROG_TYPE_KPROBE),
  row("prefix", "kretprobe", BPF_PROG_TYPE_KPROBE),
  row("prefix", "tracepoint", BPF_PROG_TYPE_TRACEPOINT),
  row("prefix", "tp", BPF_PROG_TYPE_TRACEPOINT, 0, "tracepoint"),
  row("prefix", "raw_tracepoint", BPF_PROG_TYPE_RAW_TRACEPOINT),
  row("prefix", "raw_tp", BPF_PROG_TYPE_RAW_TRACEPOINT, 0, "raw_tracepoint"),
  row("prefix", "tp_btf", BPF_PROG_TYPE_TRACING, BPF_TRACE_RAW_TP),
  row("prefix", "fentry", BPF_PROG_TYPE_TRACING, BPF_TRACE_FENTRY),
  row("prefix", "fexit", BPF_PROG_TYPE_TRACING, BPF_TRACE_FEXIT),
  row("exact", "xdp", BPF_PROG_TYPE_XDP, BPF_XDP),
];

/** The row of a SEC() name without its `?`, if there is one. */
export function findSectionRow(section: string): SectionRow | undefined {
  return SECTION_ROWS.find(
    ({ name, match }) => section === name || (match === "prefix" && section.startsWith(`${name}/`)),
  );
}
