// Programs on the packets of a network interface, by a link: xdp (net/core/dev.c, 5.9), tcx (kernel/bpf/tcx.c, 6.6) and
// netkit (drivers/net/netkit.c, 6.7). The target is an interface, by name or number, in the network namespace of this
// thread. They look at the options target and flags, XDP at mode, the others at before and after.

import {
  BPF_F_AFTER,
  BPF_F_BEFORE,
  EBUSY,
  EEXIST,
  EINVAL,
  ENODEV,
  EOPNOTSUPP,
  XDP_FLAGS_DRV_MODE,
  XDP_FLAGS_HW_MODE,
  XDP_FLAGS_SKB_MODE,
} from "elf-loader/uapi";
import { findInterface } from "../host/interfaces.ts";
import type { Refused } from "../host/kernel-error.ts";
import type { AttachOptions, Hook, LoadedProgram } from "../program/hook.ts";
import { linkCreate } from "../sys/bpf.ts";
import type { Fields } from "../sys/struct.ts";
import { asLink } from "./link.ts";
import { refuse, targetOf, unusable } from "./refuse.ts";

/** The interface's number; throws where there is none of that name. */
export function interfaceOf(
  program: LoadedProgram,
  hook: string,
  options: AttachOptions,
): [name: string, index: number] {
  const name = targetOf(program, options, "a network interface");
  const index = findInterface(name);
  if (typeof index === "string") throw unusable(program, `${hook} ${name}`, index);
  return [name, index];
}

type Explanation = Pick<Refused, "likely" | "action"> & { readonly unsupported?: boolean };
type Explain = (result: number, options: AttachOptions) => Explanation;

/** Fields of link creation beyond those that all have. */
type More = (options: AttachOptions) => Fields;

function interfaceHook(name: string, more: More, explain: Explain): Hook {
  return {
    name,
    attach(program, options) {
      const [target, index] = interfaceOf(program, name, options);
      const fd = linkCreate({
        prog_fd: program.fd.number,
        target_ifindex: index,
        attach_type: program.spec.expectedAttachType,
        flags: options.flags,
        ...more(options),
      });
      if (fd >= 0) return asLink(fd, name, target);
      const needs = ["CAP_NET_ADMIN"];
      throw refuse(fd, program, `${name} ${target}`, "bpf(BPF_LINK_CREATE)", { needs, ...explain(fd, options) });
    },
  };
}

const MODES = { generic: XDP_FLAGS_SKB_MODE, native: XDP_FLAGS_DRV_MODE, offload: XDP_FLAGS_HW_MODE };

export const xdp = interfaceHook(
  "xdp",
  ({ mode, flags = 0 }) => ({ flags: (mode ? MODES[mode] : 0) | flags }),
  (result, { mode }) =>
    result === -EBUSY || result === -EEXIST
      ? {
          likely: "another XDP program is attached there",
          action: "end who attached it (bpftool link), or, where no link holds it, ip link set dev NAME xdp off",
        }
      : result === -EOPNOTSUPP
        ? {
            likely: `the interface's driver has no ${mode ?? "native"} XDP as it is set up`,
            action: 'attach with mode "generic"',
          }
        : {
            likely: "the interface's MTU or features do not allow XDP, or its links (5.9)",
            action: "see the kernel's log",
          },
);

/** A kernel that does not know a link's attach type says EINVAL. */
const younger =
  (since: string, what: string, action: string): Explain =>
  (result) => {
    const unsupported = result === -EINVAL;
    if (unsupported) return { unsupported, likely: `the kernel is older than ${since}`, action };
    return {
      likely: result === -ENODEV ? "the interface is gone" : what,
      action: "look at what is attached (bpftool net)",
    };
  };

/** Where among the programs of an interface (kernel/bpf/mprog.c); `hook` is the member of the attribute. */
const placed =
  (hook: "tcx" | "netkit"): More =>
  ({ before, after, flags = 0 }) => {
    const other = before ?? after;
    if (other === undefined) return {};
    const where = flags | (before === undefined ? BPF_F_AFTER : BPF_F_BEFORE);
    return { flags: where, ...(other === "all" ? {} : { [`${hook}.relative_fd`]: other.fd.number }) };
  };

export const tcx = interfaceHook(
  "tcx",
  placed("tcx"),
  younger("6.6", "the program is attached there already", 'name the program\'s section "tc", which attaches by clsact'),
);

export const netkit = interfaceHook(
  "netkit",
  placed("netkit"),
  younger("6.7", "the interface is no primary netkit device", "attach by xdp or tc"),
);
