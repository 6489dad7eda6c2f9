// The running kernel's own types: /sys/kernel/btf/vmlinux (CONFIG_DEBUG_INFO_BTF, 5.4).

import { closeSync, fstatSync, openSync, readFileSync } from "node:fs";
import { Btf } from "elf-loader";
import { MAP_PRIVATE, PROT_READ } from "elf-loader/uapi";
import { mmap, ownedMemoryAt } from "../sys/libc.ts";

const PATH = "/sys/kernel/btf/vmlinux";

let cached: WeakRef<Btf> | undefined;

/** About 5 MB, kept as long as somebody looks at it; undefined where the kernel has none. */
export function vmlinuxBtf(): Btf | undefined {
  const btf = cached?.deref() ?? readVmlinuxBtf();
  cached = btf && new WeakRef(btf);
  return btf;
}

function readVmlinuxBtf(): Btf | undefined {
  try {
    return Btf.parse(mapped() ?? readFileSync(PATH), "vmlinux");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** The kernel's own pages (6.16), where reading takes a call for each of 1,300; never to be stored to. */
function mapped(): Uint8Array | undefined {
  const fd = openSync(PATH, "r");
  try {
    const { size } = fstatSync(fd);
    const address = mmap(size, PROT_READ, MAP_PRIVATE, fd, 0);
    return address < 0 ? undefined : ownedMemoryAt(address, size).u8;
  } finally {
    closeSync(fd);
  }
}
