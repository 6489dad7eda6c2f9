/** The BTF of an object as the kernel takes it. */
import { type Downgrade, downgradeBtf } from "../btf/downgrades.ts";
import type { ObjectSpec } from "../spec/object-spec.ts";

/**
 * The bytes for BPF_BTF_LOAD (since kernel 4.18), in the byte order of the object; undefined when it has no BTF.
 *
 * @param knows whether the kernel knows something that the BTF has; left out, it knows everything
 */
export function kernelBtf(spec: ObjectSpec, knows?: (downgrade: Downgrade) => boolean): Uint8Array | undefined {
  return (knows && spec.btf ? downgradeBtf(spec.btf, knows) : spec.btf)?.encode();
}
