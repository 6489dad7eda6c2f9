// Programs of a cgroup (v2): what its processes do with sockets, packets, devices and sysctls (kernel/bpf/cgroup.c),
// sock_ops among them, and hooks of security modules (lsm_cgroup, 6.0). By a link (5.7), or with the option legacy by
// BPF_PROG_ATTACH (4.10), which stays when the process is killed. The target is the cgroup's folder.
// They look at the options target or fd, legacy, flags (BPF_F_ALLOW_MULTI where nothing is said, of legacy only), and
// direction for programs that are of either.

import type { BpfError } from "elf-loader";
import { BPF_CGROUP_INET_EGRESS, BPF_CGROUP_INET_INGRESS, BPF_F_ALLOW_MULTI, EBADF, EINVAL } from "elf-loader/uapi";
import type { AttachOptions, Hook, LoadedProgram } from "../program/hook.ts";
import { linkCreate } from "../sys/bpf.ts";
import { progAttach, progDetach } from "../sys/links.ts";
import { btfTarget } from "./attach-btf.ts";
import { asLink, BpfLink } from "./link.ts";
import { type OpenTarget, openTarget } from "./open-target.ts";
import { refuse } from "./refuse.ts";
import { ofLsm } from "./tracing.ts";

const DIRECTIONS = { ingress: BPF_CGROUP_INET_INGRESS, egress: BPF_CGROUP_INET_EGRESS };

/** The attach type of the section, or of the direction where the section leaves it open. */
const typeOf = (program: LoadedProgram, { direction = "ingress" }: AttachOptions): number =>
  program.spec.expectedAttachType || DIRECTIONS[direction];

/** hierarchy_allows_attach() of kernel/bpf/cgroup.c */
const EXCLUSIVE = {
  likely: "a program is attached there, or above, that allows no other",
  action: "look for it (bpftool cgroup tree), or give another cgroup's folder",
};

/** Attaches what wants these capabilities, for packets' programs more than to be loaded. */
function attachWith(needs: readonly string[], program: LoadedProgram, options: AttachOptions): BpfLink {
  const cgroup = openTarget(program, "cgroup", options, "a cgroup's folder");
  const fail = (result: number, call: string) => {
    cgroup.close();
    const causes: { readonly [errno: number]: string } = {
      [EBADF]: `${cgroup.name} is no folder of a cgroup v2 file system`,
      [EINVAL]: "the kernel does not know this hook, or links of cgroups (5.7)",
    };
    const told = { needs, likely: causes[-result], action: "give another cgroup's folder", forbidden: EXCLUSIVE };
    return refuse(result, program, `cgroup ${cgroup.name}`, `bpf(${call})`, told);
  };
  if (options.legacy) return attachLegacy(program, cgroup, options, fail);
  const fields = { prog_fd: program.fd.number, target_fd: cgroup.fd, attach_type: typeOf(program, options) };
  const fd = linkCreate({ ...fields, flags: options.flags });
  if (fd < 0) throw fail(fd, "BPF_LINK_CREATE");
  cgroup.close();
  return asLink(fd, "cgroup", cgroup.name);
}

/** By the commands that came before links: taken away by close(), not by the end of the process. */
function attachLegacy(
  program: LoadedProgram,
  cgroup: OpenTarget,
  options: AttachOptions,
  fail: (result: number, call: string) => BpfError,
): BpfLink {
  const what = { target_fd: cgroup.fd, attach_bpf_fd: program.fd.number, attach_type: typeOf(program, options) };
  const result = progAttach({ ...what, attach_flags: options.flags ?? BPF_F_ALLOW_MULTI });
  if (result < 0) throw fail(result, "BPF_PROG_ATTACH");
  return new BpfLink("cgroup", cgroup.name, "BPF_PROG_ATTACH", [{ close: () => progDetach(what) }, cgroup]);
}

export const cgroup: Hook = {
  name: "cgroup",
  attach: (program, options) => attachWith(["CAP_BPF", "CAP_NET_ADMIN"], program, options),
};

/** The section names the security hook, so the cgroup is in the options. */
export const lsmCgroup: Hook = {
  name: "lsm_cgroup",
  loadTarget: (spec) => btfTarget(spec, ofLsm),
  attach(program, options) {
    const target = options.target === program.spec.target ? undefined : options.target;
    return attachWith(["CAP_BPF", "CAP_PERFMON"], program, { ...options, target });
  },
};
