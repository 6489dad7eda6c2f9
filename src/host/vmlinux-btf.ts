// The running kernel's own types: /sys/kernel/btf/vmlinux (CONFIG_DEBUG_INFO_BTF, 5.4).

import { readFileSync } from "node:fs";
import { Btf } from "elf-loader";

let cached: WeakRef<Btf> | undefined;

/** About 5 MB, kept as long as somebody looks at it; undefined where the kernel has none. */
export function vmlinuxBtf(): Btf | undefined {
  const btf = cached?.deref() ?? readVmlinuxBtf();
  cached = btf && new WeakRef(btf);
  return btf;
}

function readVmlinuxBtf(): Btf | undefined {
  try {
    return Btf.parse(readFileSync("/sys/kernel/btf/vmlinux"), "vmlinux");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
