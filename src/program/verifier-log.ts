// The verifier's log of a refused program, whole: the buffer grows until it fits.

import { ENOSPC } from "elf-loader/uapi";
import { progLoad } from "../sys/bpf.ts";
import { close } from "../sys/libc.ts";
import type { Fields } from "../sys/struct.ts";

const FIRST_SIZE = 64 * 1024;
/** The kernel takes no larger one (bpf_verifier_log_attr_valid: UINT_MAX >> 2; before 5.2: >> 8). */
const LARGEST_SIZE = 0xffff_ffff >>> 2;
const LARGEST_SIZE_BEFORE_5_2 = 0xffff_ffff >>> 8;
const BPF_LOG_LEVEL1 = 1; // include/linux/bpf_verifier.h

/** Loads once more to hear why not; "" where the kernel says nothing. */
export function verifierLog(fields: Fields): string {
  for (let size = FIRST_SIZE; size <= LARGEST_SIZE; size *= 4) {
    const buffer = new Uint8Array(size);
    const result = progLoad({ ...fields, log_level: BPF_LOG_LEVEL1, log_buf: buffer, log_size: size });
    if (result >= 0) close(result);
    if (result !== -ENOSPC || size * 4 > LARGEST_SIZE_BEFORE_5_2) return text(buffer);
  }
  return "";
}

function text(buffer: Uint8Array): string {
  const end = buffer.indexOf(0);
  return new TextDecoder().decode(buffer.subarray(0, end < 0 ? buffer.length : end));
}
