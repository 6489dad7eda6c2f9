// iter: a program that runs over things of the kernel, once for each, and writes text (kernel/bpf/bpf_iter.c, 5.8).
// Looks at the options fd (a map's, or a cgroup's for the iterator over cgroups) and pid (of one task's things, 6.1).

import { BPF_CGROUP_ITER_DESCENDANTS_PRE, bpf_iter_link_info } from "elf-loader/uapi";
import { kernelError } from "../host/kernel-error.ts";
import type { AttachOptions, Hook } from "../program/hook.ts";
import { linkCreate } from "../sys/bpf.ts";
import { Fd } from "../sys/fd.ts";
import { iterCreate } from "../sys/links.ts";
import { readWhole } from "../sys/read.ts";
import { encodeStruct, type Fields } from "../sys/struct.ts";
import { btfTarget } from "./attach-btf.ts";
import { BpfLink } from "./link.ts";
import { refuse } from "./refuse.ts";

/** An iterator's link: each read() runs the program over everything. */
class IteratorLink extends BpfLink {
  readonly #link: Fd;

  constructor(target: string, link: Fd) {
    super("iter", target, "link", [link]);
    this.#link = link;
  }

  /** What the program wrote, as text. Throws what the kernel refuses, a program's own -errno included. */
  override read(): string {
    const fail = (result: number, call: string) =>
      kernelError(result, { doing: `read iter ${this.target}`, call, subject: `link iter ${this.target}` });
    const number = iterCreate(this.#link.number);
    if (number < 0) throw fail(number, "bpf(BPF_ITER_CREATE)");
    using iterator = new Fd(number);
    const text = readWhole(iterator.number);
    if (typeof text === "number") throw fail(text, "read()");
    return new TextDecoder().decode(text);
  }
}

/** What is iterated over where it is not everything; the field depends on the iterator. */
function subject(target: string, { fd, pid }: AttachOptions): Fields | undefined {
  const cgroup = { "cgroup.order": BPF_CGROUP_ITER_DESCENDANTS_PRE, "cgroup.cgroup_fd": fd };
  if (fd !== undefined) return target === "cgroup" ? cgroup : { "map.map_fd": fd };
  return pid === undefined ? undefined : { "task.pid": pid };
}

export const iter: Hook = {
  name: "iter",
  loadTarget: (spec) => btfTarget(spec, { prefix: "bpf_iter_", kind: "func" }),
  attach(program, options) {
    const target = program.spec.target ?? "";
    const chosen = subject(target, options);
    const info = chosen && encodeStruct(bpf_iter_link_info, chosen).bytes;
    const fd = linkCreate({
      prog_fd: program.fd.number,
      attach_type: program.spec.expectedAttachType,
      ...(info ? { iter_info: info, iter_info_len: info.byteLength } : {}),
    });
    if (fd >= 0) return new IteratorLink(target, new Fd(fd));
    throw refuse(fd, program, `iter ${target}`, "bpf(BPF_LINK_CREATE)", {
      likely: "the iterator wants to be told what to go over",
      action: "give attach() a map's or a cgroup's descriptor as fd",
    });
  },
};
