// Giving up what is not needed any more.
//
// Capabilities belong to threads: this is the thread that runs the program, and threads it starts later inherit what
// is left. The runtime's own helper threads (garbage collection, compilation), which run no code of ours, keep theirs.

import { CAP_BPF, CAP_LAST_CAP, CAP_SYS_ADMIN } from "elf-loader/uapi";
import { capget, capset, clearAmbient, dropFromBounding, setNoNewPrivileges } from "../sys/capability.ts";

const bit = (capability: number) => 1n << BigInt(capability);

/**
 * Drops every capability but those of `keep` (numbers), and the way to get any back: the bounding and ambient sets, and
 * set-user-ID programs by no_new_privs. Where `works` then says no, CAP_BPF is kept, or CAP_SYS_ADMIN where that is what
 * the kernel asks for: kernels before 5.19 want it for every bpf(2) while kernel.unprivileged_bpf_disabled is set.
 * The numbers of what is left; undefined where nothing could be changed.
 */
export function dropPrivileges(keep: readonly number[], works: () => boolean): number[] | undefined {
  const held = capget();
  if (typeof held === "number") return undefined;
  for (let capability = 0; capability <= CAP_LAST_CAP; capability++) {
    if (!keep.includes(capability)) dropFromBounding(capability);
  }
  const wanted = keep.reduce((set, capability) => set | bit(capability), 0n) & held.permitted;
  let left = wanted;
  for (const more of [0n, bit(CAP_BPF), bit(CAP_SYS_ADMIN), held.permitted]) {
    left = (wanted | more) & held.permitted;
    if (capset({ ...held, effective: left }) === 0 && works()) break;
  }
  clearAmbient();
  const dropped = capset({ effective: left, permitted: left, inheritable: 0n });
  if (dropped < 0 || setNoNewPrivileges() < 0) return undefined;
  return Array.from({ length: CAP_LAST_CAP + 1 }, (_, capability) => capability).filter((c) => left & bit(c));
}
