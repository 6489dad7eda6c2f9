// BpfLink: an attachment that lives as long as its descriptors. What can be done to a link of the kernel (bpf_link, 5.7)
// is in kernel/bpf/syscall.c: link_update, link_detach, bpf_obj_pin.

import { UnsupportedError } from "elf-loader";
import { bpf_link_info, EINVAL, EOPNOTSUPP, LINK_TYPES } from "elf-loader/uapi";
import { kernelError } from "../host/kernel-error.ts";
import { pinError, pinnedError } from "../map/pin-error.ts";
import type { Attachment, LinkInfo, LoadedProgram } from "../program/hook.ts";
import { objGet, objGetInfoByFd, objPin } from "../sys/bpf.ts";
import { Fd } from "../sys/fd.ts";
import { linkDetach, linkUpdate } from "../sys/links.ts";
import { readField } from "../sys/struct.ts";

/** A descriptor, or whatever else takes something back. */
export interface Part {
  close(): void;
}

/** Closing it detaches; so does the end of the process, however it comes, but of what a hook says it leaves. */
export class BpfLink implements Attachment {
  readonly hook: string;
  readonly target: string;
  readonly means: string;
  readonly #parts: readonly Part[];
  #open = true;

  /** `parts` in the order in which they are to be closed; the first is the kernel's link where `means` is "link". */
  constructor(hook: string, target: string, means: string, parts: readonly Part[]) {
    this.hook = hook;
    this.target = target;
    this.means = means;
    this.#parts = parts;
  }

  /** A link that was pinned; closing it does not detach while the pin is there. Throws where there is none. */
  static open(path: string): BpfLink {
    const fd = objGet(path);
    if (fd < 0) throw pinnedError(fd, "open a link", path);
    return new BpfLink("pinned", path, "link", [new Fd(fd)]);
  }

  /** The kernel's link; throws where the attachment is none. */
  #link(doing: string): number {
    const [first] = this.#parts;
    if (this.means === "link" && first instanceof Fd) return first.number;
    throw new UnsupportedError(`Cannot ${doing} ${this.hook} ${this.target}: it is attached by ${this.means}`, {
      subject: `link ${this.hook} ${this.target}`,
      likely: "the kernel has no bpf_link for it (most since 5.7, perf events since 5.15)",
      action: "close it and attach again",
    });
  }

  /** `result` of a call on the kernel's link; throws where it failed. */
  #check(result: number, doing: string, call: string): void {
    if (result >= 0) return;
    throw kernelError(result, {
      doing: `${doing} ${this.hook} ${this.target}`,
      call: `bpf(${call})`,
      subject: `link ${this.hook} ${this.target}`,
      unsupported: [EOPNOTSUPP, EINVAL].includes(-result),
      likely: `links of this kind cannot be ${doing}d`,
      action: "close it and attach again",
    });
  }

  update(program: LoadedProgram): void {
    const link_fd = this.#link("update");
    this.#check(linkUpdate({ link_fd, new_prog_fd: program.fd.number }), "update", "BPF_LINK_UPDATE");
  }

  detach(): void {
    this.#check(linkDetach(this.#link("detach")), "detach", "BPF_LINK_DETACH");
  }

  pin(path: string): void {
    const result = objPin(this.#link("pin"), path);
    if (result < 0) throw pinError(result, `pin ${this.hook} ${this.target}`, path);
  }

  info(): LinkInfo {
    const info = new Uint8Array(bpf_link_info.size);
    this.#check(objGetInfoByFd(this.#link("look at"), info), "look at", "BPF_OBJ_GET_INFO_BY_FD");
    const field = (name: string) => readField(bpf_link_info, info, name);
    const type = LINK_TYPES[field("type")] ?? `type ${field("type")}`;
    return { id: field("id"), type, programId: field("prog_id") };
  }

  read(): string {
    throw new UnsupportedError(`Cannot read ${this.hook} ${this.target}: only iterators are read`, {
      subject: `link ${this.hook} ${this.target}`,
    });
  }

  close(): void {
    // Once: what the parts give back by number may be somebody else's by the second time.
    if (this.#open) for (const part of this.#parts) part.close();
    this.#open = false;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** The attachment of a new link's descriptor, which it takes over. */
export const asLink = (fd: number, hook: string, target: string): BpfLink =>
  new BpfLink(hook, target, "link", [new Fd(fd)]);
