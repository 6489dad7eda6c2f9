// The verifier's log of a refused program, whole: the buffer grows until it fits.

import { ENOSPC } from "elf-loader/uapi";
import { progLoad } from "../sys/bpf.ts";
import { close } from "../sys/libc.ts";
import type { Fields } from "../sys/struct.ts";

/**
 * Each size costs the verifier a run, so they grow fast. The third is the largest before 5.2, the last the largest since
 * (bpf_verifier_log_attr_valid: UINT_MAX >> 8, UINT_MAX >> 2).
 */
const SIZES = [64 << 10, 1 << 20, 0xffff_ffff >>> 8, 256 << 20, 0xffff_ffff >>> 2];
/** include/linux/bpf_verifier.h: what led to a refusal, and each instruction of each path. */
const BPF_LOG_LEVEL1 = 1;
const BPF_LOG_LEVEL2 = 2;

/** Loads once more to hear why not, or (`whole`) all there is to say; "" where the kernel says nothing. */
export function verifierLog(fields: Fields, whole = false): string {
  const level = whole ? BPF_LOG_LEVEL2 : BPF_LOG_LEVEL1;
  let heard = "";
  for (const size of SIZES) {
    const buffer = new Uint8Array(size);
    const result = progLoad({ ...fields, log_level: level, log_buf: buffer, log_size: size });
    if (result >= 0) close(result);
    const log = text(buffer);
    if (log === "") break; // the kernel does not take a buffer of this size
    heard = log;
    if (result !== -ENOSPC) break;
  }
  return heard;
}

function text(buffer: Uint8Array): string {
  const end = buffer.indexOf(0);
  return new TextDecoder().decode(buffer.subarray(0, end < 0 ? buffer.length : end));
}
