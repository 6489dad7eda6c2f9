// The order of loads from memory that another CPU writes.
//
// x86-64 keeps loads in order. arm64 does not: between the load of a position or header and the loads of what it
// announces there must be a barrier, and a sequentially consistent operation on private memory is one.

const cell = new Int32Array(new SharedArrayBuffer(4));

export const WEAK_ORDER: boolean = process.arch === "arm64";

/** Loads after it are not done before loads before it. */
export function loadFence(): void {
  Atomics.add(cell, 0, 1);
}
