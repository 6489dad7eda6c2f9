/**
 * The kernel's types as relocation needs them: candidates by name, found in one scan for all names an object asks for.
 * Modules are looked into only for what the kernel itself lacks. Source: bpf_core_find_cands in libbpf's libbpf.c.
 */
import type { Btf } from "../btf/btf.ts";
import { essentialName } from "../btf/names.ts";
import type { BtfKind } from "../btf/types.ts";
import { sameKind } from "./compatible.ts";

/** Where to look; each is opened only when asked for. */
export interface CoreTargets {
  /** Types of the kernel, or those given in their stead. @throws BpfError when there are none */
  vmlinux(): Btf;
  /** Types of the modules that are loaded, each on top of the kernel's. */
  modules(): Iterable<Btf>;
}

/** The one may stand for the other. */
const ENUMS: ReadonlySet<BtfKind> = new Set<BtfKind>(["enum", "enum64"]);

export interface Candidate {
  readonly btf: Btf;
  readonly id: number;
}

export class CandidateFinder {
  readonly #local: Btf;
  readonly #targets: CoreTargets;
  readonly #names: ReadonlySet<string>;
  readonly #kinds: ReadonlySet<BtfKind>;
  /** By the object's type. */
  readonly #found = new Map<number, Candidate[]>();
  #inKernel: Map<string, number[]> | undefined;
  #inModules: { readonly btf: Btf; readonly ids: Map<string, number[]> }[] | undefined;

  /** @param types ids in the object's BTF that will be asked for */
  constructor(local: Btf, types: Iterable<number>, targets: CoreTargets) {
    this.#local = local;
    this.#targets = targets;
    const kinds = new Set([...types].map((id) => local.kind(id)));
    this.#kinds = kinds.has("enum") || kinds.has("enum64") ? kinds.union(ENUMS) : kinds;
    this.#names = new Set([...types].map((id) => essentialName(local.nameOf(id))).filter((name) => name !== ""));
  }

  /** Candidates of one of the object's types. */
  of(id: number): readonly Candidate[] {
    let found = this.#found.get(id);
    if (!found) {
      found = this.#search(id);
      this.#found.set(id, found);
    }
    return found;
  }

  /** From now on only these: what one path of a type has ruled out is out for the others too, as in libbpf. */
  keep(id: number, candidates: Candidate[]): void {
    this.#found.set(id, candidates);
  }

  #search(id: number): Candidate[] {
    const name = essentialName(this.#local.nameOf(id));
    const kernel = this.#targets.vmlinux();
    this.#inKernel ??= kernel.findAll(this.#names, this.#kinds);
    const found = this.#ofKind(id, kernel, this.#inKernel.get(name) ?? []);
    if (found.length > 0) return found;
    this.#inModules ??= [...this.#targets.modules()].map((btf) => ({
      btf,
      ids: btf.findAll(this.#names, this.#kinds),
    }));
    return this.#inModules.flatMap(({ btf, ids }) => this.#ofKind(id, btf, ids.get(name) ?? []));
  }

  #ofKind(id: number, btf: Btf, ids: readonly number[]): Candidate[] {
    const kind = this.#local.kind(id);
    return ids.filter((found) => sameKind({ kind }, { kind: btf.kind(found) })).map((found) => ({ btf, id: found }));
  }
}
