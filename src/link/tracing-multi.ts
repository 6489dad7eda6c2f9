// fentry.multi, fexit.multi and fsession.multi: many kernel functions by one link (kernel/bpf/trampoline.c, 7.1). The
// target is a name, or a pattern with * and ?, of functions in the kernel's BTF that ftrace lists.
// They look at the options target or targets (names or patterns), and cookie or cookies.

import { EINVAL } from "elf-loader/uapi";
import { closeHint } from "../host/close-names.ts";
import { traceableFunctions } from "../host/tracefs.ts";
import { vmlinuxBtf } from "../host/vmlinux-btf.ts";
import type { Hook, LoadedProgram } from "../program/hook.ts";
import { linkCreate } from "../sys/bpf.ts";
import { globPattern, isPattern } from "./glob.ts";
import { asLink } from "./link.ts";
import { cookiesOf, refuse, targetOf, unusable } from "./refuse.ts";

/** Ids of the functions' types, in order; throws where none is found. */
function functionIds(program: LoadedProgram, place: string, wanted: readonly string[]): Uint32Array {
  const btf = vmlinuxBtf();
  if (!btf) throw unusable(program, place, "the kernel has no BTF");
  const patterns = wanted.map(globPattern);
  // Patterns are of what can be traced; a whole name is the caller's word.
  const traceable = wanted.some(isPattern) ? traceableFunctions() : undefined;
  const ids: number[] = [];
  for (const id of btf.idsOf("func")) {
    const name = btf.nameOf(id);
    if (patterns.some((pattern) => pattern.test(name)) && (traceable?.has(name) ?? true)) ids.push(id);
  }
  if (ids.length > 0) return new Uint32Array(ids);
  const names = function* () {
    for (const id of btf.idsOf("func")) yield btf.nameOf(id);
  };
  throw unusable(program, place, `no function matches${closeHint(wanted[0] ?? "", names())}`);
}

function multiHook(name: string): Hook {
  return {
    name,
    attach(program, options) {
      const wanted = options.targets ?? [targetOf(program, options, "a kernel function or a pattern")];
      const target = wanted.join(",");
      const place = `${name} ${target}`;
      const ids = functionIds(program, place, wanted);
      const fd = linkCreate({
        prog_fd: program.fd.number,
        attach_type: program.spec.expectedAttachType,
        "tracing_multi.ids": ids,
        "tracing_multi.cookies": cookiesOf(program, place, options, ids.length),
        "tracing_multi.cnt": ids.length,
      });
      if (fd >= 0) return asLink(fd, name, target);
      throw refuse(fd, program, place, "bpf(BPF_LINK_CREATE)", {
        unsupported: fd === -EINVAL,
        likely: `one of the ${ids.length} functions cannot be traced`,
        action: "attach to one function by fentry",
      });
    },
  };
}

export const fentryMulti = multiHook("fentry.multi");
export const fexitMulti = multiHook("fexit.multi");
export const fsessionMulti = multiHook("fsession.multi");
