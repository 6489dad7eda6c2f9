// What an older kernel takes instead of a program it has refused, tried one after the other.
// Source: libbpf_prepare_prog_load and bpf_program__sanitize_prog in libbpf's libbpf.c.

import { type Btf, CALL, findSectionRow, Instructions, type ProgramSpec, withContextTypes } from "elf-loader";
import {
  BPF_FUNC_probe_read,
  BPF_FUNC_probe_read_kernel,
  BPF_FUNC_probe_read_kernel_str,
  BPF_FUNC_probe_read_str,
  BPF_FUNC_probe_read_user,
  BPF_FUNC_probe_read_user_str,
} from "elf-loader/uapi";
import { probeReadKernel } from "../features/probes.ts";
import type { Fd } from "../sys/fd.ts";
import type { Fields } from "../sys/struct.ts";
import { loadBtf } from "./btf.ts";

/** A program that was refused: what bpf(BPF_PROG_LOAD) was given, and the verifier's log of it. */
export interface RefusedProgram {
  readonly spec: ProgramSpec;
  readonly fields: Fields;
  readonly log: string;
  /** The object's BTF. */
  readonly types: Btf | undefined;
  /** Closes a descriptor once the program is loaded, or given up. */
  readonly own: (fd: Fd) => Fd;
}

/** What to try next, undefined where there is nothing to change. */
type Fallback = (refused: RefusedProgram) => Fields | undefined;

/**
 * Where the verifier has come neither to an instruction nor to a global function, something around the program is what
 * the kernel does not take.
 */
const verified = (log: string): boolean => /^(?:\d+: \(|Validating )/m.test(log);

/** Names came with 4.15; before that the call is refused for the bytes they are in. */
const withoutName: Fallback = ({ fields, log }) =>
  log === "" && fields.prog_name ? { ...fields, prog_name: undefined } : undefined;

/** Attach types came to program types that had none before. */
const withoutAttachType: Fallback = ({ spec, fields, log }) => {
  if (verified(log) || !fields.expected_attach_type) return undefined;
  return findSectionRow(spec.section)?.attachTypeOptional ? { ...fields, expected_attach_type: 0 } : undefined;
};

/** Helpers that read the kernel's memory and the user's, and the one that read either before them (5.5). */
const PLAIN_READS: ReadonlyMap<number, number> = new Map([
  [BPF_FUNC_probe_read_kernel, BPF_FUNC_probe_read],
  [BPF_FUNC_probe_read_user, BPF_FUNC_probe_read],
  [BPF_FUNC_probe_read_kernel_str, BPF_FUNC_probe_read_str],
  [BPF_FUNC_probe_read_user_str, BPF_FUNC_probe_read_str],
]);

const withPlainReads: Fallback = ({ fields }) => {
  if (!(fields.insns instanceof Uint8Array)) return undefined;
  const code = new Instructions(fields.insns.slice(), true);
  let changed = false;
  for (let i = 0; i < code.count; i += code.isWide(i) ? 2 : 1) {
    const plain = code.opcode(i) === CALL && code.src(i) === 0 ? PLAIN_READS.get(code.imm(i)) : undefined;
    if (plain === undefined) continue;
    code.setImm(i, plain);
    changed = true;
  }
  return changed && !probeReadKernel.probe() ? { ...fields, insns: code.bytes } : undefined;
};

/** Parameters that are contexts by their tag (6.8) get the type that older kernels take for one. */
const withContexts: Fallback = ({ spec, fields, types, own }) => {
  const changed = types && fields.prog_btf_fd !== undefined ? withContextTypes(types, spec.type) : undefined;
  const btf = loadBtf(changed);
  return btf && { ...fields, prog_btf_fd: own(btf).number };
};

/** What only describes the program: functions and lines. */
const withoutDescription: Fallback = ({ fields, log }) => {
  if (verified(log) || fields.prog_btf_fd === undefined) return undefined;
  return { ...fields, ...Object.fromEntries(DESCRIPTION.map((field) => [field, undefined])) };
};

const DESCRIPTION = [
  "prog_btf_fd",
  ...["func_info_rec_size", "func_info", "func_info_cnt"],
  ...["line_info_rec_size", "line_info", "line_info_cnt"],
];

export const FALLBACKS: readonly Fallback[] = [
  withoutName,
  withoutAttachType,
  withPlainReads,
  withContexts,
  withoutDescription,
];
