/** The BTF of an object as the kernel takes it. */
import type { ObjectSpec } from "../spec/object-spec.ts";

/** The bytes for BPF_BTF_LOAD (since kernel 4.18), in the byte order of the object; undefined when it has no BTF. */
export function kernelBtf(spec: ObjectSpec): Uint8Array | undefined {
  return spec.btf?.encode();
}
