// The running kernel's own types: /sys/kernel/btf/vmlinux (CONFIG_DEBUG_INFO_BTF, 5.4).

import { readFileSync } from "node:fs";
import { Btf } from "elf-loader";

let cached: Btf | undefined;

/** Parsed once, about 5 MB; undefined where the kernel has none. */
export function vmlinuxBtf(): Btf | undefined {
  if (cached) return cached;
  try {
    cached = Btf.parse(new Uint8Array(readFileSync("/sys/kernel/btf/vmlinux")));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  return cached;
}
