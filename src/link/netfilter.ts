// netfilter: a program at a hook of the packet filter of this thread's network namespace (net/netfilter/
// nf_bpf_link.c, 6.4). Looks at the options family ("ipv4" where nothing is said), netfilterHook ("local_in"), priority (0:
// between conntrack and filters is for the caller to choose) and flags (BPF_F_NETFILTER_IP_DEFRAG).

import {
  EBUSY,
  EINVAL,
  NF_INET_FORWARD,
  NF_INET_LOCAL_IN,
  NF_INET_LOCAL_OUT,
  NF_INET_POST_ROUTING,
  NF_INET_PRE_ROUTING,
  NFPROTO_IPV4,
  NFPROTO_IPV6,
} from "elf-loader/uapi";
import type { Hook } from "../program/hook.ts";
import { linkCreate } from "../sys/bpf.ts";
import { asLink } from "./link.ts";
import { refuse } from "./refuse.ts";

const FAMILIES = { ipv4: NFPROTO_IPV4, ipv6: NFPROTO_IPV6 };
const HOOKS = {
  pre_routing: NF_INET_PRE_ROUTING,
  local_in: NF_INET_LOCAL_IN,
  forward: NF_INET_FORWARD,
  local_out: NF_INET_LOCAL_OUT,
  post_routing: NF_INET_POST_ROUTING,
};

export const netfilter: Hook = {
  name: "netfilter",
  attach(program, { family = "ipv4", netfilterHook = "local_in", priority = 0, flags = 0 }) {
    const fd = linkCreate({
      prog_fd: program.fd.number,
      attach_type: program.spec.expectedAttachType,
      "netfilter.pf": FAMILIES[family],
      "netfilter.hooknum": HOOKS[netfilterHook],
      "netfilter.priority": priority,
      "netfilter.flags": flags,
    });
    const target = `${family} ${netfilterHook}`;
    if (fd >= 0) return asLink(fd, "netfilter", target);
    throw refuse(fd, program, `netfilter ${target}`, "bpf(BPF_LINK_CREATE)", {
      needs: ["CAP_NET_ADMIN"],
      unsupported: fd === -EINVAL,
      likely:
        fd === -EBUSY
          ? `a program is attached there at priority ${priority}`
          : "the kernel was built without it, or is older than 6.4",
      action: fd === -EBUSY ? "give another priority" : "attach by tc or xdp",
    });
  },
};
