// uprobe.multi, uretprobe.multi (6.6) and uprobe.session (6.13): many functions of one file by one link
// (kernel/trace/bpf_trace.c, bpf_uprobe_multi_link_attach). The target is PATH:PATTERN.
// They look at the options target, targets (functions of the target's file), cookie or cookies, and pid.

import { BPF_F_UPROBE_MULTI_RETURN, EINVAL } from "elf-loader/uapi";
import type { AttachOptions, Hook, LoadedProgram } from "../program/hook.ts";
import { linkCreate } from "../sys/bpf.ts";
import { cString } from "../sys/libc.ts";
import { asLink } from "./link.ts";
import { cookiesOf, refuse, targetOf } from "./refuse.ts";
import { fileOffset, matchingOffsets, userTarget } from "./user-target.ts";

/** The file and every place in it. */
function places(program: LoadedProgram, name: string, target: string, { targets }: AttachOptions) {
  if (!targets) {
    const found = userTarget(program, name, target);
    return { path: found.path, offsets: matchingOffsets(program, name, found) };
  }
  const { path } = userTarget(program, name, target.includes(":") ? target : `${target}:${targets[0]}`);
  return { path, offsets: targets.map((what) => fileOffset(program, name, { path, what })) };
}

function multiHook(name: string, flags: number, since: string): Hook {
  return {
    name,
    attach(program, options) {
      const target = targetOf(program, options, "PATH:PATTERN");
      const { path, offsets } = places(program, name, target, options);
      const fd = linkCreate({
        prog_fd: program.fd.number,
        attach_type: program.spec.expectedAttachType,
        "uprobe_multi.path": cString(path),
        "uprobe_multi.offsets": new BigUint64Array(offsets.map(BigInt)),
        "uprobe_multi.cookies": cookiesOf(program, `${name} ${target}`, options, offsets.length),
        "uprobe_multi.cnt": offsets.length,
        "uprobe_multi.flags": flags,
        "uprobe_multi.pid": options.pid,
      });
      if (fd >= 0) return asLink(fd, name, target);
      throw refuse(fd, program, `${name} ${target}`, "bpf(BPF_LINK_CREATE)", {
        unsupported: fd === -EINVAL,
        likely: `the kernel is older than ${since}, or one of the ${offsets.length} places cannot be probed`,
        action: "attach to one function by uprobe",
      });
    },
  };
}

export const uprobeMulti = multiHook("uprobe.multi", 0, "6.6");
export const uretprobeMulti = multiHook("uretprobe.multi", BPF_F_UPROBE_MULTI_RETURN, "6.6");
export const uprobeSession = multiHook("uprobe.session", 0, "6.13");
