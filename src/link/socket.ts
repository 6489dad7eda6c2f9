// socket: a filter of what a socket receives; sk_reuseport: which socket of a group receives (net/core/filter.c,
// sk_attach_bpf, 3.19; sk_reuseport_attach_bpf, 4.19). By setsockopt(2), which goes with the socket. They look at the
// option fd, the socket's descriptor, or target, the same as text.

import {
  SO_ATTACH_BPF,
  SO_ATTACH_REUSEPORT_EBPF,
  SO_DETACH_BPF,
  SO_DETACH_REUSEPORT_BPF,
  SOL_SOCKET,
} from "elf-loader/uapi";
import type { Hook } from "../program/hook.ts";
import { syscall } from "../sys/libc.ts";
import { SYSCALL_NUMBERS } from "../sys/syscall-numbers.ts";
import { BpfLink } from "./link.ts";
import { refuse, targetOf } from "./refuse.ts";

/** An option of SOL_SOCKET whose value is a number; 0 or -errno. */
const setSocketOption = (socket: number, option: number, value: number): number =>
  syscall(SYSCALL_NUMBERS.get("setsockopt") ?? -1, socket, SOL_SOCKET, option, new Int32Array([value]), 4);

function socketHook(name: string, attachOption: number, detachOption: number): Hook {
  return {
    name,
    attach(program, options) {
      const socket = options.fd ?? Number(targetOf(program, options, "a socket's descriptor"));
      const place = `descriptor ${socket}`;
      const result = setSocketOption(socket, attachOption, program.fd.number);
      const more = {
        needs: ["CAP_NET_ADMIN"],
        likely: "it is no socket, or of another kind",
        action: "give a socket's descriptor",
      };
      if (result < 0) throw refuse(result, program, `${name} ${place}`, "setsockopt()", more);
      return new BpfLink(name, place, "setsockopt", [{ close: () => setSocketOption(socket, detachOption, 0) }]);
    },
  };
}

export const socket = socketHook("socket", SO_ATTACH_BPF, SO_DETACH_BPF);
export const skReuseport = socketHook("sk_reuseport", SO_ATTACH_REUSEPORT_EBPF, SO_DETACH_REUSEPORT_BPF);
