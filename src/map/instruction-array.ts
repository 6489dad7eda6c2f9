// BPF_MAP_TYPE_INSN_ARRAY (kernel/bpf/bpf_insn_array.c, 6.19): instructions of one program, by index. They are set before
// the program is loaded, to be jumped to, and the map frozen; the verifier then says where it has put them.

import { BPF_MAP_TYPE_INSN_ARRAY, bpf_insn_array_value } from "elf-loader/uapi";
import { encodeStruct, readField } from "../sys/struct.ts";
import { BpfArray } from "./array.ts";
import type { Codec } from "./codec.ts";
import type { MapType } from "./type.ts";

/** An instruction's place. */
export interface InstructionPlace {
  /** In the program as it was given, in instructions. */
  readonly original: number;
  /** The same as the verifier left it; undefined where it took the instruction away. 0 before the program is loaded. */
  readonly translated: number | undefined;
  /** In the machine code, in bytes; 0 before the program is loaded. */
  readonly jitted: number;
}

/** The verifier's mark of an instruction that is gone: (u32)-1. */
const GONE = 0xffff_ffff;

const placeCodec: Codec = {
  size: bpf_insn_array_value.size,
  decode({ u8 }, offset): InstructionPlace {
    const bytes = u8.subarray(offset, offset + bpf_insn_array_value.size);
    const field = (name: string) => readField(bpf_insn_array_value, bytes, name);
    const translated = field("xlated_off");
    return {
      original: field("orig_off"),
      translated: translated === GONE ? undefined : translated,
      jitted: field("jitted_off"),
    };
  },
  encode: (original) => encodeStruct(bpf_insn_array_value, { orig_off: original as number }).bytes,
};

/** Places by index; set by the number of an instruction in the program as it is given. */
export class BpfInstructionArray extends BpfArray<InstructionPlace, number> {
  protected override makeValueCodec(): Codec {
    return placeCodec;
  }
}

export const instructionArray: MapType = {
  type: BPF_MAP_TYPE_INSN_ARRAY,
  name: "INSN_ARRAY",
  since: "6.19",
  Map: BpfInstructionArray,
  least: { value_size: bpf_insn_array_value.size },
};
