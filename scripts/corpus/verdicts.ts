// What two loaders say of the same objects, laid side by side: program by program, and each object as a whole.

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
  }[];
}

/** libbpf gives a number, we an error; `name` turns the number into its name. */
const reason = (line: Pick<Line, "errno" | "refused">, name: (errno: number) => string): Refusal =>
  line.refused
    ? `${line.refused.errno ?? line.refused.class}: ${line.refused.message}`
    : line.errno
      ? name(line.errno)
      : "";

export function parseVerdict(text: string, name: (errno: number) => string): Verdict {
  const line = JSON.parse(text) as Line;
  const programs = (line.programs ?? []).map((program): [string, Program] => [
    program.name,
    { kind: `${program.type}/${program.attach}/${program.autoload}`, refused: reason(program, name) },
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

const said = (refusal: Refusal) => (refusal === "" ? "loads" : refusal);

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
    if ((theirs.refused === "") !== (mine.refused === "")) differ("", said(theirs.refused), said(mine.refused));
    else if (theirs.refused === "") bothObjects++;
    if (theirs.unopened !== undefined) continue; // it says nothing of the programs
    if (mine.unopened === undefined && theirs.maps !== mine.maps)
      differ("", `${theirs.maps} maps`, `${mine.maps} maps`);
    for (const [name, program] of theirs.programs) {
      programs++;
      const other = mine.programs.get(name);
      if (!other) differ(name, said(program.refused), "no such program");
      else if (other.kind !== program.kind) differ(name, program.kind, other.kind);
      else if ((program.refused === "") !== (other.refused === ""))
        differ(name, said(program.refused), said(other.refused));
      else if (program.refused === "") bothPrograms++;
      else neither++;
    }
    for (const name of mine.programs.keys())
      if (!theirs.programs.has(name)) differ(name, "no such program", "a program");
  }
  return { objects: libbpf.length, programs, bothObjects, bothPrograms, neither, differences };
}
