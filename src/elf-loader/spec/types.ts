/** The plain data of an object before it is loaded: maps, and what a linked program is made of. */

/** A map as the object defines it. Every field may be edited before load. */
export interface MapSpec {
  name: string;
  /** BPF_MAP_TYPE_*. */
  type: number;
  /** Bytes. */
  keySize: number;
  /** Bytes; of a per-CPU map the bytes of one CPU's value. */
  valueSize: number;
  /** Entries; bytes in a ring buffer. 0 in a perf event array means one a CPU. */
  maxEntries: number;
  /** BPF_F_* of map creation. */
  flags: number;
  /** The `map_extra` of BPF_MAP_CREATE. */
  mapExtra: bigint;
  numaNode?: number | undefined;
  pinning: "none" | "by-name";
  /**
   * false: loading does not make it, and what refers to it fails where the verifier gets there. Of a struct of functions a
   * `?` in front of its section says so; undefined is true.
   */
  autocreate?: boolean | undefined;
  /** BTF id of the key's type in the object's BTF, 0 when it has none. */
  keyTypeId: number;
  /** BTF id of the value's type in the object's BTF, 0 when it has none. */
  valueTypeId: number;
  /** Initial bytes of a data section; `ObjectSpec.globals` reads and writes them. */
  contents?: Uint8Array | undefined;
  /** Whether user space freezes the map once it is filled: read-only data. */
  frozen: boolean;
  /** Template of the maps inside a map of maps. */
  innerMap?: MapSpec | undefined;
  /** What slots are set to at load: a map of a map of maps, a program of a program array, by name. */
  slots?: readonly MapSlot[] | undefined;
  /** Of a struct of functions that the kernel calls: its type, by the kernel's name and in the object's BTF. */
  structOps?: { readonly name: string; readonly typeId: number } | undefined;
  /** The value's type in the kernel's own BTF, set when the map is made; 0 or undefined where it has none. */
  kernelValueTypeId?: number | undefined;
  /** The module whose BTF that type is in; undefined for the kernel's own. */
  kernelValueModule?: string | undefined;
  /** The ELF section, of a data section map. */
  section?: string | undefined;
}

/** One initialised slot. */
export interface MapSlot {
  /** Index, or the key as a 32-bit number. */
  readonly index: number;
  /** Of a map or program of the object; where that is not loaded the slot stays empty. */
  readonly name: string;
}

/** Records of .BTF.ext cut to one program: as BPF_PROG_LOAD takes func_info and line_info. */
export interface ExtInfo {
  readonly bytes: Uint8Array;
  /** Bytes of one record. */
  readonly recordSize: number;
  readonly count: number;
}

/** Where an instruction comes from. */
export interface SourceLine {
  /** `file.c:12` */
  readonly where: string;
  readonly text: string;
}

/** An instruction that stands for something the kernel lacks: the verifier refuses it where it can be reached. */
export interface Unresolved {
  /** The function it is in. */
  readonly fn: string;
  /** What the object asked for: `offset of field struct task_struct.pid`. */
  readonly what: string;
  /** Why there is none: `the BTF of vmlinux has no match for it`. */
  readonly why: string;
  /** `file.c:12`, where the object says. */
  readonly source: string | undefined;
}

/** A program ready for BPF_PROG_LOAD, its subprograms behind it. */
export interface LinkedProgram {
  /** Instructions of 8 bytes, in the byte order of the object. */
  readonly insns: Uint8Array;
  readonly insnCount: number;
  readonly license: string;
  readonly funcInfo?: ExtInfo | undefined;
  readonly lineInfo?: ExtInfo | undefined;
  /** Names of the maps it refers to, in the order of first use. */
  readonly usedMaps: string[];
  /** The source line of an instruction by its index, where the object says. */
  readonly sourceAt: (insn: number) => SourceLine | undefined;
  /** By the index of the instruction. */
  readonly unresolved: ReadonlyMap<number, Unresolved>;
}
