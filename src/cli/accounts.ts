// The program's own accounts: what it produced and what it could not hand over, counted on each CPU.

import { type BpfObject, BpfPerCpuArray } from "../index.ts";

/** What the programs produced, and what of it they could not hand over. */
export interface Accounts {
  readonly produced: number;
  readonly lost: number;
}

type Account = { produced: bigint; lost: bigint };

/** What the programs counted on each CPU: the per-CPU map `accounts` (struct hello_account of bpf/include/hello.bpf.h). */
export function accountsOfCpus(object: BpfObject): readonly Account[] {
  const accounts = object.map("accounts");
  return accounts instanceof BpfPerCpuArray ? ((accounts.get(0) ?? []) as Account[]) : [];
}

/** Sums over all CPUs. */
export function readAccounts(object: BpfObject): Accounts {
  let produced = 0;
  let lost = 0;
  for (const account of accountsOfCpus(object)) {
    produced += Number(account.produced);
    lost += Number(account.lost);
  }
  return { produced, lost };
}

/** How often the kernel passed the object's programs over because eBPF was already at work on that CPU. */
export const recursionMisses = (object: BpfObject): number =>
  [...object.programs.values()].reduce((sum, program) => sum + program.recursionMisses(), 0);
