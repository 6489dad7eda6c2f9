// What a kind of hook answers for itself; src/link/ has one file a hook.

import type { ProgramSpec } from "elf-loader";
import type { BpfMap } from "../map/map.ts";
import type { Fd } from "../sys/fd.ts";
import type { Fields } from "../sys/struct.ts";

/** What a hook needs of a program that the verifier has accepted. */
export interface LoadedProgram {
  readonly name: string;
  readonly spec: ProgramSpec;
  readonly fd: Fd;
  /** Its object's maps, by name: some hooks tell the program by them what it is attached to. */
  readonly maps: ReadonlyMap<string, BpfMap>;
}

/** What the kernel says of a link (bpf_link_info, 5.8). */
export interface LinkInfo {
  /** The link's number in the kernel. */
  readonly id: number;
  /** As BPF_LINK_TYPE_ names it, in small letters: "tracing", "perf_event". */
  readonly type: string;
  /** The number of its program. */
  readonly programId: number;
}

/** A program attached to a hook, for as long as it is not closed. */
export interface Attachment extends Disposable {
  /** The kind of hook: "kprobe". */
  readonly hook: string;
  /** What it is attached to, as the kernel names it. */
  readonly target: string;
  /** By what means, where there are several: "link", "ioctl". */
  readonly means?: string;
  /** Puts another program in its place, with no event missed. Throws where the kernel cannot for this hook. */
  update(program: LoadedProgram): void;
  /** Detaches at once, though the descriptor, or a pin, stays (5.9). Throws where the kernel cannot for this hook. */
  detach(): void;
  /** Keeps it under a path of a bpf file system beyond the end of this process. Throws where the kernel cannot. */
  pin(path: string): void;
  info(): LinkInfo;
  /** What an iterator's program writes, run now. Throws where it is none. */
  read(): string;
  close(): void;
}

/** How to attach, beyond what the section says. Each hook says in its file which of these it looks at. */
export interface AttachOptions {
  /** Instead of the section's: a function, an interface, a cgroup's path … */
  readonly target?: string | undefined;
  /** A descriptor instead of a name: of a cgroup, a network namespace, a socket, a map. */
  readonly fd?: number | undefined;
  /** What bpf_get_attach_cookie() gives the program (5.15). */
  readonly cookie?: number | bigint | undefined;
  /** Only this process; every one where nothing is said. */
  readonly pid?: number | undefined;
  /** Only this CPU. */
  readonly cpu?: number | undefined;
  /** Several targets at once: functions, or patterns of them with * and ?. */
  readonly targets?: readonly string[] | undefined;
  /** A cookie for each of `targets`. */
  readonly cookies?: readonly (number | bigint)[] | undefined;
  /** Of a perf event: one run every so many events … */
  readonly period?: number | undefined;
  /** … or so many runs a second. */
  readonly frequency?: number | undefined;
  /** Which way of an interface's packets. */
  readonly direction?: "ingress" | "egress" | undefined;
  /** How an XDP program is run; the driver where it can, else the generic way, where nothing is said. */
  readonly mode?: "generic" | "native" | "offload" | undefined;
  /** Order among others at the same hook: a filter's priority, a netfilter hook's. */
  readonly priority?: number | undefined;
  /** Which program at the same place it runs before, or after; "all": first, or last. Last where nothing is said. */
  readonly before?: LoadedProgram | "all" | undefined;
  readonly after?: LoadedProgram | "all" | undefined;
  /** Where in the netfilter's way of a packet: "ipv4" or "ipv6", and the hook. */
  readonly family?: "ipv4" | "ipv6" | undefined;
  readonly netfilterHook?: "pre_routing" | "local_in" | "forward" | "local_out" | "post_routing" | undefined;
  /** Flags that the kernel is given as they are. */
  readonly flags?: number | undefined;
  /** Without a link, as before there were links: it then stays when the process is killed. */
  readonly legacy?: boolean | undefined;
}

/** What bpf(BPF_PROG_LOAD) must be told of the target. */
export interface LoadTarget {
  readonly fields: Fields;
  /** Descriptors in the fields, to be closed once the program is loaded. */
  readonly owned?: readonly Fd[];
}

/** One kind of hook. */
export interface Hook {
  /** As in the rows of the section table of elf-loader. */
  readonly name: string;
  /** Throws where the target is not there. */
  readonly loadTarget?: (spec: ProgramSpec) => LoadTarget;
  /** `options.target` is the section's where none was given. Throws AttachError, PermissionError, UnsupportedError. */
  readonly attach: (program: LoadedProgram, options: AttachOptions) => Attachment;
}
