// sk_msg and sk_skb: programs on what the sockets of a map send and receive (net/core/sock_map.c, 4.17 and 4.14). By a
// link (6.10), else by BPF_PROG_ATTACH, which goes with the map. Looks at the option fd, the descriptor of a sockmap or
// sockhash, or target, the path of one that is pinned; direction and flags mean nothing here.

import { EINVAL } from "elf-loader/uapi";
import { pinnedError } from "../map/pin-error.ts";
import type { AttachOptions, Hook, LoadedProgram } from "../program/hook.ts";
import { linkCreate, objGet } from "../sys/bpf.ts";
import { Fd } from "../sys/fd.ts";
import { progAttach, progDetach } from "../sys/links.ts";
import { asLink, BpfLink } from "./link.ts";
import type { OpenTarget } from "./open-target.ts";
import { refuse, targetOf } from "./refuse.ts";

function openMap(program: LoadedProgram, options: AttachOptions): OpenTarget {
  if (options.fd !== undefined) return { name: `map of descriptor ${options.fd}`, fd: options.fd, close: () => {} };
  const name = targetOf(program, options, "a sockmap");
  const fd = objGet(name);
  if (fd < 0) throw pinnedError(fd, `attach program ${program.name} to a sockmap`, name);
  const map = new Fd(fd);
  return { name, fd, close: () => map.close() };
}

export const sockmap: Hook = {
  name: "sockmap",
  attach(program, options) {
    const map = openMap(program, options);
    const attach_type = program.spec.expectedAttachType;
    const link = linkCreate({ prog_fd: program.fd.number, target_fd: map.fd, attach_type });
    if (link >= 0) {
      map.close();
      return asLink(link, "sockmap", map.name);
    }
    const what = { target_fd: map.fd, attach_bpf_fd: program.fd.number, attach_type };
    const result = link === -EINVAL ? progAttach(what) : link;
    if (result < 0) {
      map.close();
      const more = { needs: ["CAP_NET_ADMIN"], likely: "it is no sockmap or sockhash", action: "give another map" };
      throw refuse(result, program, `sockmap ${map.name}`, "bpf(BPF_PROG_ATTACH)", more);
    }
    return new BpfLink("sockmap", map.name, "BPF_PROG_ATTACH", [{ close: () => progDetach(what) }, map]);
  },
};
