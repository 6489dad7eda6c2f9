// Buffers shared with the kernel are powers of two of pages.

import { PAGE_SIZE } from "../sys/libc.ts";

/** The fewest pages, a power of two and at least one, that hold `bytes`. */
export function powerOfTwoPages(bytes: number): number {
  const pages = Math.max(1, Math.ceil(bytes / PAGE_SIZE));
  return 2 ** Math.ceil(Math.log2(pages));
}
