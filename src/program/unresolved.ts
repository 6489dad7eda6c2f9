// The verifier's log where it came to an instruction that stands for something the kernel lacks: what that is, in the
// object's words. Nobody should see the number of a helper that never was.

import type { LinkedProgram, Unresolved } from "elf-loader";

/** `12: (85) call unknown#195896080` and, before it, the complaint about it. */
const CALL = /^(\d+): \(85\) call (?:unknown|kernel-function|<invalid kfunc call>|pc\S*)?#?(\d+).*$/gm;
const COMPLAINT = /^invalid func \S+$/gm;

/** The first unresolved instruction that the verifier came to, and the log in which all of them are named. */
export function nameUnresolved(
  log: string,
  { unresolved }: LinkedProgram,
): { log: string; reached: Unresolved | undefined } {
  let reached: Unresolved | undefined;
  const named = log.replace(CALL, (line, index: string) => {
    const found = unresolved.get(Number(index));
    if (!found) return line;
    reached ??= found;
    return `${index}: <unresolved: ${sentence(found)}>`;
  });
  return { log: reached ? named.replace(COMPLAINT, "unresolved relocation") : log, reached };
}

/** `offset of field struct task_struct.pid (file.c:12): the BTF of vmlinux has no match for it` */
export function sentence({ what, source, why }: Unresolved): string {
  return `${what}${source ? ` (${source})` : ""}: ${why}`;
}
