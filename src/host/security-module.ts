// Which security module may have refused a call: what is left where no other cause is found, as none says that it was it.

import { BPF_PROG_TYPE_LSM, bpf_prog_info, ENOENT } from "elf-loader/uapi";
import { objGetInfoByFd, progGetFdById, progGetNextId } from "../sys/bpf.ts";
import { Fd } from "../sys/fd.ts";
import { readField } from "../sys/struct.ts";
import type { Refusal } from "./cause.ts";
import { confinement } from "./confinement.ts";
import { fileText } from "./file-text.ts";
import { isFiltering } from "./seccomp.ts";

const FOLDER = "/sys/kernel/security";

/** What is chosen in its file; undefined where that is not to be seen, as in most containers. */
export const lockdownMode = (): string | undefined => /\[(\w+)\]/.exec(fileText(`${FOLDER}/lockdown`))?.[1];

/** Modules that refuse none of what we ask for, whoever it is about. */
const HARMLESS = ["capability", "lockdown", "yama", "safesetid", "loadpin", "ima", "evm", "integrity", "ipe", ""];

/** What is about files by their paths, and ports: security/landlock/fs.c and net.c. BPF_OBJ_GET comes by none of their hooks. */
const LANDLOCKED = /^(open|unlink|bind|connect)\(|\(BPF_OBJ_PIN\)/;

/** Modules that refuse some of it only. */
const PARTIAL: { readonly [module: string]: (call: string) => boolean } = {
  landlock: (call) => LANDLOCKED.test(call),
  bpf: mayHaveLsmPrograms,
};

/** Whether a program of type LSM is loaded, or that is not to be seen (CAP_SYS_ADMIN). */
function mayHaveLsmPrograms(): boolean {
  for (let id = 0; ; ) {
    const next = progGetNextId(id);
    if (next < 0) return next !== -ENOENT;
    id = next;
    const type = typeOf(id);
    if (type === -ENOENT) continue; // gone meanwhile
    if (type < 0 || type === BPF_PROG_TYPE_LSM) return true;
  }
}

/** A program's type by its number, or -errno. */
function typeOf(id: number): number {
  const number = progGetFdById(id);
  if (number < 0) return number;
  using program = new Fd(number);
  const info = new Uint8Array(bpf_prog_info.size);
  const asked = objGetInfoByFd(program.number, info);
  return asked < 0 ? asked : readField(bpf_prog_info, info, "type");
}

/** The modules that come into question, by name; undefined where their list is not to be seen, as in most containers. */
function suspects(call: string): string[] | undefined {
  const list = fileText(`${FOLDER}/lsm`);
  if (list === "") return undefined;
  return list.split(",").filter((name) => !HARMLESS.includes(name) && (PARTIAL[name]?.(call) ?? true));
}

/** A filter may look at arguments, as at bpf()'s command: then it tells nothing by other ones. */
const FILTER = "a seccomp filter that looks at arguments";

const IN_THE_LOG = "look in the kernel's log (dmesg) for the refusal";

/** `call` as it is named in the message. */
export function securityModule(call: string): Refusal {
  const confined = confinement();
  if (confined)
    return {
      likely: `a Linux security module refuses it (${confined.by})`,
      action: `${IN_THE_LOG}, or run with ${confined.lift}`,
    };
  const filtering = isFiltering();
  const names = suspects(call);
  const likely =
    names === undefined
      ? `${filtering ? `${FILTER}, ` : ""}a Linux security module or a lockdown refuses it, which cannot be seen from here`
      : names.length > 0
        ? `a Linux security module refuses it (${names.join(",")})`
        : `${filtering ? `${FILTER}, or ` : ""}the kernel itself refuses it, for a reason that cannot be seen from here`;
  return { likely, action: filtering ? `${IN_THE_LOG}, or run with --security-opt seccomp=unconfined` : IN_THE_LOG };
}
