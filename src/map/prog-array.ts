// BPF_MAP_TYPE_PROG_ARRAY (kernel/bpf/arraymap.c): programs to go on with by bpf_tail_call(). The kernel empties it when
// the last descriptor and pin of the map is gone.

import { BPF_MAP_TYPE_PROG_ARRAY } from "elf-loader/uapi";
import type { Fd } from "../sys/fd.ts";
import { BpfNumberedArray, openNamed } from "./descriptors.ts";
import type { MapType } from "./type.ts";

export class BpfProgArray extends BpfNumberedArray {
  /** A program by its number, as it is read, or by its pin. */
  override valueFrom(text: string): Fd {
    return openNamed(text, "program");
  }
}

export const progArray: MapType = {
  type: BPF_MAP_TYPE_PROG_ARRAY,
  name: "PROG_ARRAY",
  since: "4.2",
  Map: BpfProgArray,
};
