// bpf(2) of links that are there and of programs attached without one (include/uapi/linux/bpf.h). Each answers >= 0 or -errno.

import {
  BPF_ITER_CREATE,
  BPF_LINK_DETACH,
  BPF_LINK_UPDATE,
  BPF_PROG_ATTACH,
  BPF_PROG_DETACH,
  bpf_attr_iter_create,
  bpf_attr_link_detach,
  bpf_attr_link_update,
  bpf_attr_prog_attach,
} from "elf-loader/uapi";
import { bpf } from "./bpf.ts";
import type { Fields } from "./struct.ts";

export const linkUpdate = (fields: Fields): number => bpf(BPF_LINK_UPDATE, bpf_attr_link_update, fields);
export const linkDetach = (fd: number): number => bpf(BPF_LINK_DETACH, bpf_attr_link_detach, { link_fd: fd });
/** A descriptor that runs the iterator once as it is read. */
export const iterCreate = (link: number): number => bpf(BPF_ITER_CREATE, bpf_attr_iter_create, { link_fd: link });

export const progAttach = (fields: Fields): number => bpf(BPF_PROG_ATTACH, bpf_attr_prog_attach, fields);
export const progDetach = (fields: Fields): number => bpf(BPF_PROG_DETACH, bpf_attr_prog_attach, fields);
