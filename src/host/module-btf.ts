// Descriptors of the BTF of modules, by which a program names their functions and variables (BPF_BTF_GET_NEXT_ID, 5.11;
// CAP_SYS_ADMIN).

import { bpf_btf_info } from "elf-loader/uapi";
import { btfGetFdById, btfGetNextId, objGetInfoByFd } from "../sys/bpf.ts";
import { Fd } from "../sys/fd.ts";
import { cString } from "../sys/libc.ts";
import { encodeStruct, readField } from "../sys/struct.ts";
import { kernelError } from "./kernel-error.ts";

const NAME_SIZE = 64; // MODULE_NAME_LEN, include/linux/module.h

/** A module's BTF in the kernel, or -errno: -ENOENT where it is not loaded. */
export function moduleBtfFd(module: string): Fd | number {
  const wanted = cString(module);
  for (let id = btfGetNextId(0); ; id = btfGetNextId(id)) {
    if (id < 0) return id;
    const number = btfGetFdById(id);
    if (number < 0) continue; // gone meanwhile
    const fd = new Fd(number);
    if (isNamed(fd.number, wanted)) return fd;
    fd.close();
  }
}

/** The same for who knows that the module is there. Throws PermissionError, BpfRuntimeError. */
export function openModuleBtf(module: string): Fd {
  const fd = moduleBtfFd(module);
  if (typeof fd !== "number") return fd;
  const call = "bpf(BPF_BTF_GET_NEXT_ID)";
  const doing = `use types of module ${module}`;
  throw kernelError(fd, { doing, call, subject: `module ${module}`, needs: ["CAP_SYS_ADMIN"] });
}

function isNamed(fd: number, wanted: Uint8Array): boolean {
  const name = new Uint8Array(NAME_SIZE);
  const { bytes } = encodeStruct(bpf_btf_info, { name, name_len: NAME_SIZE });
  if (objGetInfoByFd(fd, bytes) < 0 || readField(bpf_btf_info, bytes, "kernel_btf") === 0) return false;
  return wanted.every((byte, i) => name[i] === byte);
}
