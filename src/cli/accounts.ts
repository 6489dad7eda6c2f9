// The program's own accounts: what it produced and what it could not hand over, counted on each CPU.

import { type BpfObject, BpfPerCpuArray } from "../index.ts";

/** What the programs produced, and what of it they could not hand over. */
export interface Accounts {
  readonly produced: number;
  readonly lost: number;
}

type Account = { produced: bigint; lost: bigint };

/** Sums over all CPUs of the per-CPU map `accounts` (struct hello_account of bpf/include/hello.bpf.h). */
export function readAccounts(object: BpfObject): Accounts {
  const accounts = object.map("accounts");
  const perCpu = accounts instanceof BpfPerCpuArray ? ((accounts.get(0) ?? []) as Account[]) : [];
  let produced = 0;
  let lost = 0;
  for (const account of perCpu) {
    produced += Number(account.produced);
    lost += Number(account.lost);
  }
  return { produced, lost };
}
