// Which kernel the tests run on, and how much of them: an emulated machine is many times slower than this one.

import { describe, test } from "bun:test";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";

export const ROOT = resolve(import.meta.dir, "../..");

/** What the matrix calls this kernel. */
export const KERNEL = process.env.HELLO_EBPF_KERNEL || "host";

/** In a guest the name is on the kernel's command line: there every hook must work. */
export const GUEST = / HELLO_EBPF_KERNEL=/.test(readFileSync("/proc/cmdline", "utf8"));

/** How much slower than real processors a guest's emulated ones may be. */
export const SLOWNESS = GUEST ? 15 : 1;

/** What no kernel has a part in is tested on real processors only: an emulated one would take minutes for it. */
export const userSpace = (register: () => void): void => {
  if (!GUEST) register();
};

/** A test that no kernel has a part in, likewise. */
export const testHere = ((...parts: Parameters<typeof test>) => userSpace(() => test(...parts))) as typeof test;

/** All of them here, some of them in a guest. */
export const fewerInGuests = <T>(all: readonly T[], some: readonly T[]): readonly T[] => (GUEST ? some : all);

/** Guests between the oldest and the newest: what changes once at most from kernel to kernel is not asked of them too. */
const BETWEEN = GUEST && ["6.1", "6.12"].includes(KERNEL);
export const testAtTheEnds = ((...parts: Parameters<typeof test>) => {
  if (!BETWEEN) test(...parts);
}) as typeof test;
export const describeAtTheEnds = ((...parts: Parameters<typeof describe>) => {
  if (!BETWEEN) describe(...parts);
}) as typeof describe;
