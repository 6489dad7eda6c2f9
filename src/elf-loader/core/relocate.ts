/**
 * CO-RE: every relocation of an object answered from the kernel's types, in the order of the object. Several candidates
 * must give the same answer. Source: the comment on bpf_core_calc_relo_insn in libbpf's relo_core.c.
 */
import type { Btf } from "../btf/btf.ts";
import { ObjectError } from "../errors.ts";
import { functionCovering } from "../spec/image.ts";
import type { ObjectSpec } from "../spec/object-spec.ts";
import { sourceLine } from "../spec/source-line.ts";
import { BPF_CORE_TYPE_ID_LOCAL } from "../uapi/bpf.ts";
import { type Access, parseAccess, pathOf } from "./access.ts";
import { matchAccess } from "./match.ts";
import type { Resolution } from "./patch.ts";
import { type CoreRelocation, describeRelocation, readCoreRelocations } from "./relocation.ts";
import { type Candidate, CandidateFinder, type CoreTargets } from "./targets.ts";
import { absentValue, type CoreValue, computeValue } from "./value.ts";

/** An answered relocation. */
export interface CoreResolution extends Resolution {
  /** For messages; nobody asks where all is well. */
  readonly explain: () => Explanation;
}

export interface Explanation {
  /** What was asked: `offset of field struct task_struct.pid`. */
  readonly what: string;
  /** Why there is no answer, empty where there is one: `the BTF of vmlinux has no match for it`. */
  readonly why: string;
  /** `file.c:12`, where the object says. */
  readonly source: string | undefined;
}

/** By section name, then by the index of the instruction in it. */
export type CoreResolutions = ReadonlyMap<string, ReadonlyMap<number, CoreResolution>>;

/**
 * Answers the relocations of all programs that autoload and of all functions they may call. An object without any never
 * looks at the targets.
 *
 * @throws ObjectError when a relocation makes no sense or candidates disagree
 */
export function relocate(spec: ObjectSpec, targets: CoreTargets): CoreResolutions {
  const relocations = wantedRelocations(spec);
  const resolutions = new Map<string, Map<number, CoreResolution>>();
  if (!spec.btf || relocations.length === 0) return resolutions;
  const resolver = new Resolver(spec, spec.btf, relocations, targets);
  for (const relocation of relocations) {
    const ofSection = resolutions.get(relocation.section) ?? new Map<number, CoreResolution>();
    resolutions.set(relocation.section, ofSection);
    ofSection.set(relocation.insn, resolver.resolve(relocation));
  }
  return resolutions;
}

/** Those of programs that are not loaded are left alone: they may be for another kernel. */
function wantedRelocations(spec: ObjectSpec): CoreRelocation[] {
  const { btf, image } = spec;
  if (!btf) return [];
  return [...(image.btfExt?.coreRelocations ?? [])].flatMap(([section, records]) =>
    readCoreRelocations(section, records, btf).filter(({ insn }) => {
      const fn = functionCovering(image, section, insn);
      return fn !== undefined && (!fn.entry || spec.programs.get(fn.name)?.autoload === true);
    }),
  );
}

class Resolver {
  readonly #spec: ObjectSpec;
  readonly #btf: Btf;
  readonly #targets: CoreTargets;
  readonly #candidates: CandidateFinder;

  constructor(spec: ObjectSpec, btf: Btf, relocations: readonly CoreRelocation[], targets: CoreTargets) {
    this.#spec = spec;
    this.#btf = btf;
    this.#targets = targets;
    this.#candidates = new CandidateFinder(btf, new Set(relocations.map(({ type }) => type)), targets);
  }

  resolve(relocation: CoreRelocation): CoreResolution {
    const access = parseAccess(this.#btf, relocation);
    const local = computeValue(relocation.kind, access);
    const explain = (why: string) => () => this.#explain(relocation, access, why);
    if (relocation.kind === BPF_CORE_TYPE_ID_LOCAL) return { local, target: local, explain: explain("") };
    if (this.#btf.nameOf(relocation.type) === "") throw this.#error(relocation, access, "it has no name");
    const target = this.#agreed(relocation, access);
    if (target) return { local, target, explain: explain("") };
    return { local, target: absentValue(relocation.kind), explain: explain(this.#whyAbsent(relocation)) };
  }

  /** The value that all candidates which have the path agree on; undefined where none has it. */
  #agreed(relocation: CoreRelocation, local: Access): CoreValue | undefined {
    const { type, kind } = relocation;
    const matching: Candidate[] = [];
    let agreed: { value: CoreValue; bitOffset: number } | undefined;
    for (const candidate of this.#candidates.of(type)) {
      const access = matchAccess(local, kind, candidate.btf, candidate.id);
      if (!access) continue;
      const value = computeValue(kind, access);
      const { bitOffset } = access;
      if (agreed && (agreed.bitOffset !== bitOffset || agreed.value.value !== value.value)) {
        const answers = `${agreed.value.value} of type ${matching[0]?.id} and ${value.value} of type ${candidate.id}`;
        throw this.#error(relocation, local, `it is ambiguous in the BTF of ${candidate.btf.name}: ${answers}`);
      }
      agreed ??= { value, bitOffset };
      matching.push(candidate);
    }
    if (matching.length > 0) this.#candidates.keep(type, matching);
    return agreed?.value;
  }

  #explain(relocation: CoreRelocation, access: Access, why: string): Explanation {
    return {
      what: describeRelocation(this.#btf, relocation, pathOf(access)),
      why,
      source: sourceLine(this.#spec, relocation.section, relocation.insn)?.where,
    };
  }

  #whyAbsent({ type }: CoreRelocation): string {
    const [first] = this.#candidates.of(type);
    const where = `the BTF of ${(first?.btf ?? this.#targets.vmlinux()).name}`;
    return first ? `${where} has no match for it` : `${where} has no type of that name`;
  }

  #error(relocation: CoreRelocation, access: Access, why: string): ObjectError {
    const { section, insn } = relocation;
    const { what, source } = this.#explain(relocation, access, why);
    const fn = functionCovering(this.#spec.image, section, insn);
    const where = source ? ` (${source})` : "";
    return new ObjectError(
      `Cannot relocate ${fn ? `function ${fn.name}` : section}${where}: ${what}: ${why}`,
      section,
      insn * 8,
    );
  }
}
