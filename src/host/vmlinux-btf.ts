// The running kernel's own types: /sys/kernel/btf/vmlinux (CONFIG_DEBUG_INFO_BTF, 5.4).

import { fstatSync, readFileSync } from "node:fs";
import { Btf } from "elf-loader";
import { EACCES, ENOENT, MAP_PRIVATE, O_CLOEXEC, O_RDONLY, PROT_READ } from "elf-loader/uapi";
import { Fd } from "../sys/fd.ts";
import { mmap, open, ownedMemoryAt } from "../sys/libc.ts";
import { forbiddenByMode, READ } from "./file-mode.ts";
import { kernelError } from "./kernel-error.ts";

const PATH = "/sys/kernel/btf/vmlinux";

let cached: WeakRef<Btf> | undefined;

/** About 5 MB, kept as long as somebody looks at it; undefined where the kernel has none. Throws PermissionError, BpfRuntimeError. */
export function vmlinuxBtf(): Btf | undefined {
  const btf = cached?.deref() ?? readVmlinuxBtf();
  cached = btf && new WeakRef(btf);
  return btf;
}

function readVmlinuxBtf(): Btf | undefined {
  const number = open(PATH, O_RDONLY | O_CLOEXEC);
  if (number === -ENOENT) return undefined;
  if (number < 0) throw refusal(number);
  using file = new Fd(number);
  return Btf.parse(mapped(file.number) ?? readFileSync(file.number), "vmlinux");
}

/** Everybody may read it: what keeps it from us is a mount over it, or a security module. */
function refusal(result: number) {
  const forbidden = result === -EACCES ? forbiddenByMode(PATH, READ) : undefined;
  return kernelError(result, {
    doing: "read the kernel's types",
    call: `open(${PATH})`,
    subject: PATH,
    needs: [],
    forbidden,
  });
}

/** The kernel's own pages (6.16), where reading takes a call for each of 1,300; never to be stored to. */
function mapped(fd: number): Uint8Array | undefined {
  const { size } = fstatSync(fd);
  const address = mmap(size, PROT_READ, MAP_PRIVATE, fd, 0);
  return address < 0 ? undefined : ownedMemoryAt(address, size).u8;
}
