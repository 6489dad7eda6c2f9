// What the running kernel can do, found by trying. The version that brought it is data for messages, never compared.

import { assemble } from "elf-loader";
import {
  BPF_ADD,
  BPF_ALU64,
  BPF_CALL,
  BPF_EXIT,
  BPF_FUNC_get_attach_cookie,
  BPF_FUNC_probe_read_kernel,
  BPF_JMP,
  BPF_K,
  BPF_MAP_TYPE_RINGBUF,
  BPF_MOV,
  BPF_PROG_TYPE_TRACEPOINT,
  BPF_REG_0,
  BPF_REG_1,
  BPF_REG_2,
  BPF_REG_3,
  BPF_REG_10,
  BPF_X,
} from "elf-loader/uapi";
import { handmadeProgram, mapCreate, progLoad } from "../sys/bpf.ts";
import { PAGE_SIZE } from "../sys/libc.ts";
import { btfFeatures } from "./btf.ts";
import { type Feature, succeeds } from "./feature.ts";

export type { Feature } from "./feature.ts";

/** Whether the verifier takes a tracepoint's program. */
const loads = (insns: Uint8Array) => succeeds(() => progLoad(handmadeProgram(BPF_PROG_TYPE_TRACEPOINT, insns)));

/** bpf_probe_read_kernel(r10 - 8, 8, 0): refused where the helper is unknown (before 5.5) or under lockdown. */
const probeReadKernelProgram = assemble([
  { code: BPF_ALU64 | BPF_MOV | BPF_X, dst: BPF_REG_1, src: BPF_REG_10 },
  { code: BPF_ALU64 | BPF_ADD | BPF_K, dst: BPF_REG_1, imm: -8 },
  { code: BPF_ALU64 | BPF_MOV | BPF_K, dst: BPF_REG_2, imm: 8 },
  { code: BPF_ALU64 | BPF_MOV | BPF_K, dst: BPF_REG_3, imm: 0 },
  { code: BPF_JMP | BPF_CALL, imm: BPF_FUNC_probe_read_kernel },
  { code: BPF_ALU64 | BPF_MOV | BPF_K, dst: BPF_REG_0, imm: 0 },
  { code: BPF_JMP | BPF_EXIT },
]);

export const probeReadKernel: Feature = {
  name: "helper bpf_probe_read_kernel",
  since: "5.5",
  probe: () => loads(probeReadKernelProgram),
};

/** Calls a helper that needs no more than the context, and ends. */
const calling = (helper: number) => assemble([{ code: BPF_JMP | BPF_CALL, imm: helper }, { code: BPF_JMP | BPF_EXIT }]);

export const attachCookie: Feature = {
  name: "helper bpf_get_attach_cookie",
  since: "5.15",
  probe: () => loads(calling(BPF_FUNC_get_attach_cookie)),
};

export const ringBufferMap: Feature = {
  name: "map type RINGBUF",
  since: "5.8",
  probe: () => succeeds(() => mapCreate({ map_type: BPF_MAP_TYPE_RINGBUF, max_entries: PAGE_SIZE })),
};

export const FEATURES: readonly Feature[] = [probeReadKernel, ringBufferMap, attachCookie, ...btfFeatures];
