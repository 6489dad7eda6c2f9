/**
 * Relocation types of EM_BPF, which no UAPI header holds: llvm/include/llvm/BinaryFormat/ELFRelocs/BPF.def, described in
 * the kernel's Documentation/bpf/llvm_reloc.rst.
 */

/** A 64-bit immediate load of an address: both halves of the instruction pair. */
export const R_BPF_64_64 = 1;
/** A 64-bit address in data. */
export const R_BPF_64_ABS64 = 2;
/** A 32-bit address in data. */
export const R_BPF_64_ABS32 = 3;
/** A 32-bit offset in .BTF and .BTF.ext. */
export const R_BPF_64_NODYLD32 = 4;
/** The immediate of a call. */
export const R_BPF_64_32 = 10;
