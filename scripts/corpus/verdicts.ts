// What two loaders say of the same objects, laid side by side: program by program, and each object as a whole. Where both
// refuse it must be for the same kind of reason.

import {
  BPF_CALL,
  BPF_DW,
  BPF_IMM,
  BPF_JMP,
  BPF_LD,
  BPF_PSEUDO_BTF_ID,
  BPF_PSEUDO_KFUNC_CALL,
  BPF_PSEUDO_MAP_FD,
  BPF_PSEUDO_MAP_VALUE,
} from "elf-loader/uapi";

/** A program loaded alone, or an object as it is: why it was refused, empty where it was not. */
export type Refusal = string;

/** A line of libbpf-load or our-load.ts, in one form. */
export interface Verdict {
  readonly object: string;
  /** Why it cannot even be opened. */
  readonly unopened?: Refusal;
  readonly refused: Refusal;
  readonly maps: number;
  readonly programs: ReadonlyMap<string, Program>;
}

interface Program {
  /** BPF_PROG_TYPE_*, BPF_* attach type and autoload, as text. */
  readonly kind: string;
  readonly refused: Refusal;
  /** After relocation, in hexadecimal without what differs from load to load; empty where nobody asked. */
  readonly instructions: string;
}

interface Line {
  object: string;
  opened: boolean;
  errno?: number;
  refused?: { errno?: string; class: string; message: string };
  maps?: number;
  programs?: {
    name: string;
    type: number;
    attach: number;
    autoload: boolean;
    errno?: number;
    refused?: Line["refused"];
    instructions?: string;
  }[];
}

/** libbpf gives a number, we an error; `name` turns the number into its name. */
const reason = (line: Pick<Line, "errno" | "refused">, name: (errno: number) => string): Refusal =>
  line.refused
    ? `${line.refused.errno ?? line.refused.class}: ${line.refused.message}`
    : line.errno
      ? name(line.errno)
      : "";

/** Instructions without the descriptors in them: of maps, and of the BTF of modules (Documentation/bpf/instruction-set.rst). */
function withoutNumbers(hexadecimal: string): string {
  const bytes = Buffer.from(hexadecimal, "hex");
  for (let at = 0; at < bytes.length; at += 8) {
    const [code, source] = [bytes[at] as number, (bytes[at + 1] as number) >> 4];
    if (code === (BPF_LD | BPF_IMM | BPF_DW)) {
      if (source === BPF_PSEUDO_MAP_FD || source === BPF_PSEUDO_MAP_VALUE) bytes.fill(0, at + 4, at + 8);
      if (source === BPF_PSEUDO_BTF_ID) bytes.fill(0, at + 12, at + 16);
      at += 8;
    } else if (code === (BPF_JMP | BPF_CALL) && source === BPF_PSEUDO_KFUNC_CALL) bytes.fill(0, at + 2, at + 4);
  }
  return bytes.toString("hex");
}

/** Where two programs differ first, as instructions. */
function firstDifference(a: string, b: string): string {
  for (let at = 0; at < Math.max(a.length, b.length); at += 16)
    if (a.slice(at, at + 16) !== b.slice(at, at + 16)) return `${at / 16} of ${a.length / 16}`;
  return "";
}

export function parseVerdict(text: string, name: (errno: number) => string): Verdict {
  const line = JSON.parse(text) as Line;
  const programs = (line.programs ?? []).map((program): [string, Program] => [
    program.name,
    {
      kind: `${program.type}/${program.attach}/${program.autoload}`,
      refused: reason(program, name),
      instructions: withoutNumbers(program.instructions ?? ""),
    },
  ]);
  const unopened = line.opened ? {} : { unopened: reason(line, name) };
  return {
    object: line.object,
    ...unopened,
    refused: reason(line, name),
    maps: line.maps ?? 0,
    programs: new Map(programs),
  };
}

export interface Difference {
  readonly object: string;
  /** Empty for the object as a whole. */
  readonly program: string;
  readonly libbpf: string;
  readonly ours: string;
}

/** What both agree on, and where they differ. */
export interface Comparison {
  readonly objects: number;
  readonly programs: number;
  /** Objects and programs that both load. */
  readonly bothObjects: number;
  readonly bothPrograms: number;
  /** Programs that both refuse. */
  readonly neither: number;
  readonly differences: readonly Difference[];
}

/** What libbpf calls by one errno, and we by others or by the class of an error of our own: the same kind of error. */
const SAME_KIND: { readonly [errno: string]: readonly string[] } = {
  ESRCH: ["ENOENT", "object"], // the kernel's types or symbols have no such name
  ENOENT: ["object"], // the object refers to what it has not
  EINVAL: ["object", "attach", "unsupported"], // seen before any kernel is asked
  "errno 4001": ["object"], // libbpf's own: it cannot make sense of the bytes (LIBBPF_ERRNO__FORMAT)
  "errno 4003": ["object"], // of the other byte order (LIBBPF_ERRNO__ENDIAN)
  "errno 4005": ["object"], // a relocation that makes no sense (LIBBPF_ERRNO__RELOC)
  E2BIG: ["object", "EINVAL"], // more variables than the arena has room for, or none
  ERANGE: ["object"], // a value of the kernel's configuration that its variable does not hold
  EOPNOTSUPP: ["object", "unsupported"], // what neither makes anything of, and what this kernel has not got
};

/** Whether two refusals are of one kind. */
function alike(libbpf: Refusal, ours: Refusal): boolean {
  const [kind = ""] = ours.split(":", 1);
  return libbpf === kind || SAME_KIND[libbpf]?.includes(kind) === true;
}

const said = (refusal: Refusal) => (refusal === "" ? "loads" : refusal);

/** Instructions, also of programs that the kernel got and refused: whoever came no further has none. */
const haveDifferent = (a: Program, b: Program): boolean =>
  a.instructions !== b.instructions && (a.refused === "" || (a.instructions !== "" && b.instructions !== ""));

export function compare(libbpf: readonly Verdict[], ours: readonly Verdict[]): Comparison {
  const byName = new Map(ours.map((verdict) => [verdict.object, verdict]));
  const differences: Difference[] = [];
  let [programs, bothObjects, bothPrograms, neither] = [0, 0, 0, 0];
  for (const theirs of libbpf) {
    const { object } = theirs;
    const mine = byName.get(object);
    const differ = (program: string, a: string, b: string) => differences.push({ object, program, libbpf: a, ours: b });
    if (!mine) {
      differ("", said(theirs.refused), "said nothing");
      continue;
    }
    if (!alike(theirs.refused, mine.refused)) differ("", said(theirs.refused), said(mine.refused));
    else if (theirs.refused === "") bothObjects++;
    if (theirs.unopened !== undefined) continue; // it says nothing of the programs
    if (mine.unopened === undefined && theirs.maps !== mine.maps)
      differ("", `${theirs.maps} maps`, `${mine.maps} maps`);
    for (const [name, program] of theirs.programs) {
      programs++;
      const other = mine.programs.get(name);
      if (!other && mine.unopened !== undefined && alike(program.refused, mine.unopened)) neither++;
      else if (!other) differ(name, said(program.refused), "no such program");
      else if (other.kind !== program.kind) differ(name, program.kind, other.kind);
      else if (!alike(program.refused, other.refused)) differ(name, said(program.refused), said(other.refused));
      else if (haveDifferent(program, other)) {
        const at = firstDifference(program.instructions, other.instructions);
        differ(name, `instruction ${at}`, `${other.instructions.length / 16} instructions`);
      } else if (program.refused === "") bothPrograms++;
      else neither++;
    }
    for (const name of mine.programs.keys())
      if (!theirs.programs.has(name)) differ(name, "no such program", "a program");
  }
  return { objects: libbpf.length, programs, bothObjects, bothPrograms, neither, differences };
}
