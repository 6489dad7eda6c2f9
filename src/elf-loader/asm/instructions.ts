/**
 * A view over BPF instructions of 8 bytes: opcode, registers (a nibble each), 16-bit offset, 32-bit immediate.
 * Format: Documentation/bpf/standardization/instruction-set.rst; the nibbles change places with the byte order.
 */

import { BPF_CALL, BPF_DW, BPF_IMM, BPF_JMP, BPF_LD, BPF_PSEUDO_CALL, BPF_PSEUDO_FUNC } from "../uapi/bpf.ts";
import { bpf_insn } from "../uapi/bpf-layouts.ts";

/** Bytes of one instruction; a 64-bit immediate load takes two. */
export const INSN_SIZE = bpf_insn.size;

/** Opcode of a 64-bit immediate load. */
export const LOAD_IMM64 = BPF_LD | BPF_IMM | BPF_DW;
/** Opcode of a call. */
export const CALL = BPF_JMP | BPF_CALL;

const OFF = bpf_insn.fields.off?.[0] ?? 0;
const IMM = bpf_insn.fields.imm?.[0] ?? 0;

export class Instructions {
  readonly bytes: Uint8Array;
  readonly littleEndian: boolean;
  readonly count: number;
  readonly #view: DataView;

  /** @param bytes a multiple of 8; changes go through to them */
  constructor(bytes: Uint8Array, littleEndian: boolean) {
    this.bytes = bytes;
    this.littleEndian = littleEndian;
    this.count = Math.floor(bytes.length / INSN_SIZE);
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  opcode(index: number): number {
    return this.#view.getUint8(index * INSN_SIZE);
  }

  dst(index: number): number {
    const registers = this.#view.getUint8(index * INSN_SIZE + 1);
    return this.littleEndian ? registers & 0xf : registers >> 4;
  }

  src(index: number): number {
    const registers = this.#view.getUint8(index * INSN_SIZE + 1);
    return this.littleEndian ? registers >> 4 : registers & 0xf;
  }

  setSrc(index: number, register: number): void {
    const dst = this.dst(index);
    this.#view.setUint8(index * INSN_SIZE + 1, this.littleEndian ? (register << 4) | dst : (dst << 4) | register);
  }

  off(index: number): number {
    return this.#view.getInt16(index * INSN_SIZE + OFF, this.littleEndian);
  }

  imm(index: number): number {
    return this.#view.getInt32(index * INSN_SIZE + IMM, this.littleEndian);
  }

  setImm(index: number, value: number): void {
    this.#view.setInt32(index * INSN_SIZE + IMM, value, this.littleEndian);
  }

  set(index: number, opcode: number, dst: number, src: number, off: number, imm: number): void {
    const at = index * INSN_SIZE;
    this.#view.setUint8(at, opcode);
    this.#view.setUint8(at + 1, this.littleEndian ? (src << 4) | dst : (dst << 4) | src);
    this.#view.setInt16(at + OFF, off, this.littleEndian);
    this.setImm(index, imm);
  }

  /** Whether it is a 64-bit immediate load, whose second half is the next instruction. */
  isWide(index: number): boolean {
    return this.opcode(index) === LOAD_IMM64;
  }

  /** Whether it calls another BPF function. */
  isCall(index: number): boolean {
    return this.opcode(index) === CALL && this.src(index) === BPF_PSEUDO_CALL;
  }

  /** Whether it loads the address of another BPF function. */
  isFunctionAddress(index: number): boolean {
    return this.isWide(index) && this.src(index) === BPF_PSEUDO_FUNC;
  }
}
