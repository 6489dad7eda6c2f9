// Enough of the BPF machine to run linked fixtures: an oracle for the linker that needs neither root nor a kernel.
// Addresses are descriptor << 32 | offset for maps, and 1 << 62 + instruction for functions.
import { Instructions } from "elf-loader";
import {
  BPF_ADD,
  BPF_ALU,
  BPF_ALU64,
  BPF_AND,
  BPF_B,
  BPF_CALL,
  BPF_DW,
  BPF_EXIT,
  BPF_H,
  BPF_JA,
  BPF_JEQ,
  BPF_JMP,
  BPF_JMP32,
  BPF_JNE,
  BPF_LDX,
  BPF_MOV,
  BPF_MUL,
  BPF_OR,
  BPF_PSEUDO_CALL,
  BPF_PSEUDO_FUNC,
  BPF_PSEUDO_MAP_VALUE,
  BPF_STX,
  BPF_SUB,
  BPF_W,
  BPF_X,
  BPF_XOR,
} from "elf-loader/uapi";

const FUNCTION_BASE = 1n << 62n;
/** The helper of calls.bpf.c that calls a function three times. */
const APPLY_THREE = 1000;

const ALU: { readonly [operation: number]: (a: bigint, b: bigint) => bigint } = {
  [BPF_MOV]: (_, b) => b,
  [BPF_ADD]: (a, b) => a + b,
  [BPF_SUB]: (a, b) => a - b,
  [BPF_MUL]: (a, b) => a * b,
  [BPF_XOR]: (a, b) => a ^ b,
  [BPF_OR]: (a, b) => a | b,
  [BPF_AND]: (a, b) => a & b,
};
const JUMP: { readonly [operation: number]: (a: bigint, b: bigint) => boolean } = {
  [BPF_JA]: () => true,
  [BPF_JEQ]: (a, b) => a === b,
  [BPF_JNE]: (a, b) => a !== b,
};
const SIZES: { readonly [size: number]: number } = { [BPF_B]: 1, [BPF_H]: 2, [BPF_W]: 4, [BPF_DW]: 8 };

/** Runs a program from its first instruction. `memory` holds the bytes behind each descriptor, and is written to. */
export function run(insns: Uint8Array, littleEndian: boolean, memory: ReadonlyMap<number, Uint8Array>): bigint {
  const code = new Instructions(insns, littleEndian);
  const bytesAt = (address: bigint, size: number): Uint8Array => {
    const bytes = memory.get(Number(address >> 32n));
    const offset = Number(address & 0xffffffffn);
    if (!bytes || offset + size > bytes.length) throw new Error(`bad access at ${address.toString(16)}`);
    return bytes.subarray(offset, offset + size);
  };
  const load = (address: bigint, size: number) => {
    const bytes = [...bytesAt(address, size)];
    return (littleEndian ? bytes.reverse() : bytes).reduce((value, byte) => (value << 8n) | BigInt(byte), 0n);
  };
  const store = (address: bigint, size: number, value: bigint) => {
    const bytes = bytesAt(address, size);
    for (let i = 0; i < size; i++) bytes[littleEndian ? i : size - 1 - i] = Number((value >> BigInt(i * 8)) & 0xffn);
  };
  let steps = 0;
  const call = (start: number, args: readonly bigint[]): bigint => {
    const r = [0n, ...args, 0n, 0n, 0n, 0n, 0n, 0n].slice(0, 11);
    const reg = (i: number) => r[i] as bigint;
    for (let pc = start; ; pc++) {
      if (++steps > 100_000) throw new Error("runs too long");
      const opcode = code.opcode(pc);
      const [kind, dst] = [opcode & 7, code.dst(pc)];
      const operand = opcode & BPF_X ? reg(code.src(pc)) : BigInt(code.imm(pc));
      if (code.isWide(pc)) {
        r[dst] = address(pc++);
      } else if (kind === BPF_ALU64 || kind === BPF_ALU) {
        const operation = ALU[opcode & 0xf0];
        if (!operation) throw new Error(`unknown instruction ${opcode}`);
        r[dst] = BigInt.asUintN(kind === BPF_ALU ? 32 : 64, operation(reg(dst), operand));
      } else if (kind === BPF_LDX) {
        r[dst] = load(reg(code.src(pc)) + BigInt(code.off(pc)), SIZES[opcode & 0x18] ?? 0);
      } else if (kind === BPF_STX) {
        store(reg(dst) + BigInt(code.off(pc)), SIZES[opcode & 0x18] ?? 0, reg(code.src(pc)));
      } else if (opcode === (BPF_JMP | BPF_EXIT)) {
        return BigInt.asIntN(64, reg(0));
      } else if (opcode === (BPF_JMP | BPF_CALL)) {
        r[0] = BigInt.asUintN(64, invoke(pc, r));
      } else if (kind === BPF_JMP || kind === BPF_JMP32) {
        const test = JUMP[opcode & 0xf0];
        if (!test) throw new Error(`unknown instruction ${opcode}`);
        const bits = kind === BPF_JMP ? 64 : 32;
        if (test(BigInt.asUintN(bits, reg(dst)), BigInt.asUintN(bits, operand))) pc += code.off(pc);
      } else throw new Error(`unknown instruction ${opcode}`);
    }
  };
  const address = (pc: number): bigint => {
    if (code.src(pc) === BPF_PSEUDO_FUNC) return FUNCTION_BASE + BigInt(pc + code.imm(pc) + 1);
    if (code.src(pc) === BPF_PSEUDO_MAP_VALUE) return (BigInt(code.imm(pc)) << 32n) + BigInt(code.imm(pc + 1));
    return BigInt.asUintN(64, (BigInt(code.imm(pc + 1)) << 32n) | BigInt(code.imm(pc) >>> 0));
  };
  const invoke = (pc: number, r: readonly bigint[]): bigint => {
    if (code.src(pc) === BPF_PSEUDO_CALL) return call(pc + code.imm(pc) + 1, r.slice(1, 6));
    if (code.imm(pc) !== APPLY_THREE) throw new Error(`unknown helper ${code.imm(pc)}`);
    const once = (x: bigint) => BigInt.asUintN(64, call(Number((r[1] as bigint) - FUNCTION_BASE), [x, 0n, 0n, 0n, 0n]));
    return once(once(once(r[2] as bigint)));
  };
  return call(0, [0n, 0n, 0n, 0n, 0n]);
}
