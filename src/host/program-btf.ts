// The BTF that a loaded program or map came with, back from the kernel (BPF_OBJ_GET_INFO_BY_FD, 4.18).

import { Btf } from "elf-loader";
import { bpf_btf_info, bpf_prog_info, ENOENT } from "elf-loader/uapi";
import { btfGetFdById, objGetInfoByFd } from "../sys/bpf.ts";
import { Fd } from "../sys/fd.ts";
import { encodeStruct, readField } from "../sys/struct.ts";

/** The BTF of a program by its descriptor, or -errno: -ENOENT where it came without. */
export function programBtf(program: number): Btf | number {
  const info = new Uint8Array(bpf_prog_info.size);
  const asked = objGetInfoByFd(program, info);
  if (asked < 0) return asked;
  const id = readField(bpf_prog_info, info, "btf_id");
  return id === 0 ? -ENOENT : btfById(id);
}

/** BTF that the kernel has, by its number (CAP_SYS_ADMIN), or -errno. */
export function btfById(id: number): Btf | number {
  const number = btfGetFdById(id);
  if (number < 0) return number;
  using fd = new Fd(number);
  return btfBytes(fd.number);
}

function btfBytes(fd: number): Btf | number {
  const size = new Uint8Array(bpf_btf_info.size);
  const sized = objGetInfoByFd(fd, size);
  if (sized < 0) return sized;
  const btf = new Uint8Array(readField(bpf_btf_info, size, "btf_size"));
  const { bytes } = encodeStruct(bpf_btf_info, { btf, btf_size: btf.byteLength });
  const got = objGetInfoByFd(fd, bytes);
  return got < 0 ? got : Btf.parse(btf, "BTF of the kernel");
}
