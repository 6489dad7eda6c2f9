// The order of loads from memory that another CPU writes.
//
// x86-64 keeps loads in order. arm64 does not: between the load of a position or header and the loads of what it
// announces there must be a barrier. One atomic operation on private memory is one where the processor has atomic
// instructions (ldaddal, ARMv8.1): before that it is a loop of ldaxr and stlxr, and a load from before may pass the ldaxr,
// one from after the stlxr. Two are a barrier everywhere: what is before stays before the first one's store-release, which
// stays before the second one's load-acquire, which stays before what is after (Arm ARM, B2.3, barrier-ordered-before).

const cell = new Int32Array(new SharedArrayBuffer(4));

export const WEAK_ORDER: boolean = process.arch === "arm64";

/** Loads after it are not done before loads before it. */
export function loadFence(): void {
  Atomics.add(cell, 0, 1);
  Atomics.add(cell, 0, 1);
}
