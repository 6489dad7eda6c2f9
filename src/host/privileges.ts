// Giving up what is not needed any more, in every thread of the process: capabilities belong to threads.

import { readdirSync } from "node:fs";
import { CAP_LAST_CAP, CAP_SYS_ADMIN } from "elf-loader/uapi";
import { CLEAR_AMBIENT, capget, capset, dropFromBounding, SET_NO_NEW_PRIVILEGES } from "../sys/capability.ts";
import { gettid, installThreadCalls, makeCall, type ThreadCall, tellThread } from "../sys/thread-calls.ts";
import { threadPrivileges } from "./capabilities.ts";

/** How long threads may take to do as told: they are idle, but the machine may be busy. */
const PATIENCE_MS = 2000;

const CAPABILITIES = Array.from({ length: CAP_LAST_CAP + 1 }, (_, capability) => capability);
const bit = (capability: number) => 1n << BigInt(capability);

/** What is left of the capabilities, by number, and how many threads could not be brought to give up theirs. */
export interface PrivilegesLeft {
  readonly capabilities: number[];
  readonly threads: number;
}

/** The fewest of `held`, those of `wanted` among them, with which `works`; CAP_SYS_ADMIN, which stands in for others, goes first. */
function fewest(held: bigint, wanted: bigint, works: (capabilities: bigint) => boolean): bigint {
  if (works(wanted)) return wanted;
  let left = held;
  for (const capability of [CAP_SYS_ADMIN, ...CAPABILITIES]) {
    const less = left & ~bit(capability);
    if (less !== left && (less & wanted) === wanted && works(less)) left = less;
  }
  return left;
}

/**
 * Drops every capability but those of `keep` (numbers), and the way to get any back: the bounding and ambient sets, and
 * set-user-ID programs by no_new_privs. Where `works` then says no, as many are kept as it takes: kernels before 5.19 want
 * CAP_BPF for every bpf(2) while kernel.unprivileged_bpf_disabled is set.
 * Undefined where nothing could be changed. Returns when every thread has done so, after 2 seconds at the latest.
 */
export function dropPrivileges(keep: readonly number[], works: () => boolean): PrivilegesLeft | undefined {
  const held = capget();
  if (typeof held === "number") return undefined;
  const bounding = CAPABILITIES.filter((capability) => !keep.includes(capability)).map(dropFromBounding);
  bounding.forEach(makeCall);
  const wanted = keep.reduce((set, capability) => set | bit(capability), 0n) & held.permitted;
  const left = fewest(held.permitted, wanted, (effective) => makeCall(capset({ ...held, effective })) === 0 && works());
  const rest = [CLEAR_AMBIENT, capset({ effective: left, permitted: left, inheritable: 0n }), SET_NO_NEW_PRIVILEGES];
  const [, dropped = -1, sealed = -1] = rest.map(makeCall);
  if (dropped < 0 || sealed < 0) return undefined;
  return {
    capabilities: CAPABILITIES.filter((capability) => left & bit(capability)),
    threads: followMe([...bounding, ...rest]),
  };
}

/** Has all other threads make the calls that this one has made; how many of them then have other privileges than it. */
function followMe(calls: readonly ThreadCall[]): number {
  const own = threadPrivileges(gettid());
  const others = () =>
    readdirSync("/proc/self/task")
      .map(Number)
      .filter((tid) => ![own, undefined].includes(threadPrivileges(tid)));
  if (installThreadCalls(calls) < 0) return others().length;
  const told = new Set<number>();
  const end = performance.now() + PATIENCE_MS;
  // A thread that is not told yet may start another while we look: two looks in a row must find none.
  for (let clean = 0; clean < 2; ) {
    const left = others();
    clean = left.length === 0 ? clean + 1 : 0;
    if (left.length > 0 && performance.now() > end) return left.length;
    for (const tid of left.filter((tid) => !told.has(tid))) {
      told.add(tid);
      tellThread(tid);
    }
    if (left.length > 0) Bun.sleepSync(1);
  }
  return 0;
}
