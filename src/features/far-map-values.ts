// How far behind a map's beginning a program may name a place: below 512 MiB, until the limit went (bpf_verifier.c,
// "direct value offset of %u is not allowed"). Either way the probe's program is refused; for what, the log says.

import { assemble, bytesToString } from "elf-loader";
import {
  BPF_DW,
  BPF_EXIT,
  BPF_IMM,
  BPF_JMP,
  BPF_LD,
  BPF_MAP_TYPE_ARRAY,
  BPF_PROG_TYPE_SOCKET_FILTER,
  BPF_PSEUDO_MAP_VALUE,
} from "elf-loader/uapi";
import { handmadeProgram, mapCreate, progLoad } from "../sys/bpf.ts";
import { Fd } from "../sys/fd.ts";
import { withMemlockRaised } from "../sys/memlock.ts";

const FAR = 2 ** 30;
const LOG_SIZE = 4096;

let known: boolean | undefined;

/** Whether 1 GiB behind it is a place like any other; asked once a process. */
export function farMapValues(): boolean {
  known ??= probe();
  return known;
}

function probe(): boolean {
  const array = { map_type: BPF_MAP_TYPE_ARRAY, key_size: 4, value_size: 4, max_entries: 1 };
  const number = withMemlockRaised(() => mapCreate(array));
  if (number < 0) return false;
  using map = new Fd(number);
  const insns = assemble([
    { code: BPF_LD | BPF_DW | BPF_IMM, dst: 1, src: BPF_PSEUDO_MAP_VALUE, imm: map.number },
    { code: 0, imm: FAR },
    { code: BPF_JMP | BPF_EXIT },
  ]);
  const log = new Uint8Array(LOG_SIZE);
  const fields = { log_level: 1, log_buf: log, log_size: log.length };
  progLoad(handmadeProgram(BPF_PROG_TYPE_SOCKET_FILTER, insns, fields));
  return log[0] !== 0 && !bytesToString(log).includes("direct value offset of");
}
