// Helpers by number, and the kernel that brought each: numbers were given out in order (include/uapi/linux/bpf.h,
// __BPF_FUNC_MAPPER), so that the first of each version tells. Data for messages; nothing is decided by it.

import { HELPERS } from "elf-loader/uapi";

/** The first helper of each version, from the newest. */
const FIRST: readonly (readonly [number: number, version: string])[] = [
  [210, "6.2"],
  [208, "6.1"],
  [204, "6.0"],
  [194, "5.19"],
  [186, "5.18"],
  [180, "5.17"],
  [176, "5.16"],
  [169, "5.15"],
  [166, "5.14"],
  [164, "5.13"],
  [163, "5.12"],
  [156, "5.11"],
  [142, "5.10"],
];

/** `bpf_loop`; undefined where no kernel has such a helper. */
export const helperName = (number: number): string | undefined => HELPERS[number];

/** The kernel that brought a helper, of those that came with 5.10 or later. */
export const helperSince = (number: number): string | undefined => FIRST.find(([first]) => number >= first)?.[1];
