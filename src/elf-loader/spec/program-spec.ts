/** A program before it is loaded: what its section says, all of it editable. */
import { BPF_F_SLEEPABLE, BPF_PROG_TYPE_UNSPEC } from "../uapi/bpf.ts";
import { findSectionRow } from "./sections.ts";

export class ProgramSpec {
  /** The function's name. */
  readonly name: string;
  /** The text of SEC(), without `?`. */
  readonly section: string;
  /** BPF_PROG_TYPE_*; UNSPEC when the section's name says nothing, which only fails at load. */
  type: number;
  /** BPF_* attach type given at load, 0 when the program type needs none. */
  expectedAttachType: number;
  /** BPF_F_* of program load. */
  flags: number;
  /** Which hook attaches it, empty when unknown: the `hook` of its row in spec/sections.ts. */
  hook: string;
  /** What follows the name of its row and a `/`: a function, `category/name` of a tracepoint … */
  target: string | undefined;
  /** Descriptor of a loaded program whose function `target` is traced or replaced; undefined: the kernel's own. */
  targetProgram: number | undefined;
  /** Which member of which struct it is, where the kernel calls it by a struct of functions. */
  structOps: { readonly type: string; readonly member: string } | undefined;
  /**
   * Whether loading the object loads it; a `?` in front of the section's name says no. Of a function of structs loading sets
   * it: whether one of them is made.
   */
  autoload: boolean;

  constructor(name: string, sectionName: string) {
    const section = sectionName.startsWith("?") ? sectionName.slice(1) : sectionName;
    const row = findSectionRow(section);
    const slash = row?.match === "exact" ? -1 : section.indexOf("/");
    this.name = name;
    this.section = section;
    this.type = row?.programType ?? BPF_PROG_TYPE_UNSPEC;
    this.expectedAttachType = row?.attachType ?? 0;
    this.flags = row?.flags ?? 0;
    this.hook = row?.hook ?? "";
    this.targetProgram = undefined;
    this.structOps = undefined;
    this.target = slash < 0 ? undefined : section.slice(slash + 1);
    this.autoload = sectionName === section;
  }

  /** Whether it may sleep: BPF_F_SLEEPABLE, since kernel 5.10. */
  get sleepable(): boolean {
    return (this.flags & BPF_F_SLEEPABLE) !== 0;
  }

  copy(): ProgramSpec {
    return Object.assign(Object.create(ProgramSpec.prototype) as ProgramSpec, this);
  }
}
