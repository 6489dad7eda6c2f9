// What a program is attached to where that is a descriptor: a folder of cgroups, a network namespace, a map.

import { ENOENT, O_CLOEXEC, O_RDONLY } from "elf-loader/uapi";
import type { AttachOptions, LoadedProgram } from "../program/hook.ts";
import { Fd } from "../sys/fd.ts";
import { open } from "../sys/libc.ts";
import { refuse, targetOf } from "./refuse.ts";

/** A descriptor, and what it is called. */
export interface OpenTarget {
  readonly name: string;
  readonly fd: number;
  /** Closes it if we opened it. */
  close(): void;
}

/** The caller's descriptor, or a new one of the path; throws where there is no such path. `what`: "a cgroup's folder". */
export function openTarget(program: LoadedProgram, hook: string, options: AttachOptions, what: string): OpenTarget {
  if (options.fd !== undefined) return { name: `descriptor ${options.fd}`, fd: options.fd, close: () => {} };
  const name = targetOf(program, options, what);
  const number = open(name, O_RDONLY | O_CLOEXEC);
  if (number < 0) {
    const likely = number === -ENOENT ? `there is no ${name}` : `${name} cannot be opened`;
    const more = {
      needs: ["CAP_DAC_READ_SEARCH"],
      likely,
      action: `give the path of ${what.replace(/^an? /, "the ")}`,
    };
    throw refuse(number, program, `${hook} ${name}`, "open()", more);
  }
  const fd = new Fd(number);
  return { name, fd: fd.number, close: () => fd.close() };
}
