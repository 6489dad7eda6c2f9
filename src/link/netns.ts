// sk_lookup and flow_dissector: programs of a network namespace (kernel/bpf/net_namespace.c, 5.8 and 5.9). The target is
// a namespace's file, this thread's own where nothing is said. They look at the options target or fd.

import { EEXIST, EINVAL } from "elf-loader/uapi";
import type { Hook } from "../program/hook.ts";
import { linkCreate } from "../sys/bpf.ts";
import { asLink } from "./link.ts";
import { openTarget } from "./open-target.ts";
import { refuse } from "./refuse.ts";

const OWN = "/proc/thread-self/ns/net";

export const netns: Hook = {
  name: "netns",
  attach(program, options) {
    const namespace = openTarget(
      program,
      "netns",
      { ...options, target: options.target ?? OWN },
      "a network namespace",
    );
    const attachType = program.spec.expectedAttachType;
    const fd = linkCreate({ prog_fd: program.fd.number, target_fd: namespace.fd, attach_type: attachType });
    namespace.close();
    if (fd >= 0) return asLink(fd, "netns", namespace.name);
    const causes: { readonly [errno: number]: string } = {
      [EEXIST]: "another program is attached there, of which there can be only one",
      [EINVAL]: `${namespace.name} is no network namespace`,
    };
    const more = { needs: ["CAP_NET_ADMIN"], likely: causes[-fd], action: "give another namespace" };
    throw refuse(fd, program, `netns ${namespace.name}`, "bpf(BPF_LINK_CREATE)", more);
  },
};
