/**
 * A relocation's value in the instruction it is on, which must be one that clang writes for it: an immediate, the offset
 * of a load or store, a 64-bit immediate load. Source: bpf_core_patch_insn in libbpf's relo_core.c.
 */
import { CALL, type Instructions } from "../asm/instructions.ts";
import type { BtfType } from "../btf/types.ts";
import {
  BPF_ALU,
  BPF_ALU64,
  BPF_B,
  BPF_DW,
  BPF_H,
  BPF_LD,
  BPF_LDX,
  BPF_ST,
  BPF_STX,
  BPF_W,
  BPF_X,
} from "../uapi/bpf.ts";
import type { CoreValue } from "./value.ts";

/** What a relocation comes to: the value clang assumed and the one the kernel has, or none. */
export interface Resolution {
  readonly local: CoreValue;
  readonly target: CoreValue | undefined;
}

/** "patched", or "poisoned" where the kernel has no such thing; else why the instruction cannot be relocated. */
export type Patched = "patched" | "poisoned" | { readonly why: string };

/** @param i index of the instruction */
export function patchInstruction(code: Instructions, i: number, { local, target }: Resolution): Patched {
  if (i >= code.count || (code.isWide(i) && i + 1 >= code.count)) return { why: "it is on no instruction" };
  if (!target) return poison(code, i);
  const patch = PATCHES[code.opcode(i) & CLASS_MASK];
  return patch ? patch(code, i, local, target) : { why: `opcode 0x${code.opcode(i).toString(16)} has no value` };
}

/** An instruction that no verifier takes: a call of a helper that is not there. Unreached, it does no harm. */
export function poison(code: Instructions, i: number): "poisoned" {
  const wide = code.isWide(i);
  for (const at of wide ? [i, i + 1] : [i]) code.set(at, CALL, 0, 0, 0, POISON);
  return "poisoned";
}

/** Helper number of a poisoned instruction, the one libbpf uses: "bad relo". */
export const POISON = 0xbad2310;

const CLASS_MASK = 0x07;
const SIZE_MASK = 0x18;
const SIZE_OPCODES: { readonly [bytes: number]: number } = { 1: BPF_B, 2: BPF_H, 4: BPF_W, 8: BPF_DW };
const MAX_OFFSET = 0x7fffn;

type Patch = (code: Instructions, i: number, local: CoreValue, target: CoreValue) => Patched;

const unexpected = (what: string, found: number | bigint, wanted: bigint): Patched => ({
  why: `its instruction's ${what} is ${found} where clang would have written ${wanted}`,
});

const immediate: Patch = (code, i, local, target) => {
  if ((code.opcode(i) & BPF_X) !== 0) return { why: "its instruction has no immediate" };
  if (local.certain && BigInt(code.imm(i)) !== BigInt.asIntN(64, local.value)) {
    return unexpected("immediate", code.imm(i), local.value);
  }
  code.setImm(i, Number(BigInt.asIntN(32, target.value)));
  return "patched";
};

const memory: Patch = (code, i, local, target) => {
  if (local.certain && BigInt(code.off(i)) !== local.value) return unexpected("offset", code.off(i), local.value);
  if (target.value > MAX_OFFSET) return { why: `offset ${target.value} is too large for an instruction` };
  const [from, to] = [local.memory?.size ?? 0, target.memory?.size ?? 0];
  if (from !== to && !mayResize(local.memory?.type, target.memory?.type)) return poison(code, i);
  let opcode = code.opcode(i);
  if (from !== to) {
    const size = SIZE_OPCODES[to];
    if ((opcode & SIZE_MASK) !== SIZE_OPCODES[from]) return { why: `its instruction does not take ${from} bytes` };
    if (size === undefined) return { why: `no instruction takes ${to} bytes` };
    opcode = (opcode & ~SIZE_MASK) | size;
  }
  code.set(i, opcode, code.dst(i), code.src(i), Number(target.value), code.imm(i));
  return "patched";
};

/** A load of another size reads the same value only of pointers and of unsigned integers. */
function mayResize(local: BtfType | undefined, target: BtfType | undefined): boolean {
  if (local?.kind === "pointer" && target?.kind === "pointer") return true;
  return local?.kind === "int" && target?.kind === "int" && !local.signed && !target.signed;
}

const wide: Patch = (code, i, local, target) => {
  const plain = code.isWide(i) && code.src(i) === 0 && code.off(i) === 0;
  const second = code.opcode(i + 1) === 0 && code.dst(i + 1) === 0 && code.src(i + 1) === 0 && code.off(i + 1) === 0;
  if (!plain || !second) return { why: "its instruction is no plain 64-bit load" };
  const before = (BigInt(code.imm(i + 1) >>> 0) << 32n) | BigInt(code.imm(i) >>> 0);
  if (local.certain && before !== BigInt.asUintN(64, local.value)) return unexpected("value", before, local.value);
  code.setImm(i, Number(BigInt.asIntN(32, target.value)));
  code.setImm(i + 1, Number(BigInt.asIntN(32, target.value >> 32n)));
  return "patched";
};

const PATCHES: { readonly [opcodeClass: number]: Patch } = {
  [BPF_ALU]: immediate,
  [BPF_ALU64]: immediate,
  [BPF_LDX]: memory,
  [BPF_ST]: memory,
  [BPF_STX]: memory,
  [BPF_LD]: wide,
};
