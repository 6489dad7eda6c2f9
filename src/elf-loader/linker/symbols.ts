/**
 * The variables and functions of the kernel that an object refers to, by name and type in the BTF of the kernel, then of
 * its modules. Source: bpf_object__resolve_ksym_var_btf_id and _func_btf_id in libbpf's libbpf.c.
 */
import type { Btf } from "../btf/btf.ts";
import { essentialName } from "../btf/names.ts";
import type { BtfKind } from "../btf/types.ts";
import { typesCompatible } from "../core/compatible.ts";
import type { CoreTargets } from "../core/targets.ts";
import { ObjectError } from "../errors.ts";
import { type ExternSpec, KSYMS } from "../spec/externs.ts";
import { functionSince } from "../spec/kernel-functions.ts";
import type { ObjectSpec } from "../spec/object-spec.ts";

/** A symbol by its type: which BTF has it. */
export interface TypedSymbol {
  readonly btf: Btf;
  readonly id: number;
}

/** Externs that are found by their type, not by their address. */
export const typedSymbols = (spec: ObjectSpec): ExternSpec[] =>
  [...spec.externs.values()].filter(({ section, type }) => section === KSYMS && type !== 0);

/**
 * Looks up all typed symbols; weak ones that are not there are left out. The targets are looked at only if there are any.
 *
 * @throws ObjectError where one is not there, or is of another type
 */
export function resolveSymbols(spec: ObjectSpec, targets: CoreTargets): Map<string, TypedSymbol> {
  const wanted = typedSymbols(spec);
  const found = new Map<string, TypedSymbol>();
  if (!spec.btf || wanted.length === 0) return found;
  const finder = new SymbolFinder(wanted, targets);
  for (const extern of wanted) {
    const symbol = finder.find(extern);
    if (symbol && compatible(spec.btf, extern, symbol)) found.set(extern.name, symbol);
    // A weak function of another type is as good as none; a weak variable would be read wrongly.
    else if (!extern.weak || (symbol && extern.kind === "variable")) throw notThere(extern, symbol, targets);
  }
  return found;
}

const SYMBOLS: ReadonlySet<BtfKind> = new Set<BtfKind>(["var", "func"]);

class SymbolFinder {
  readonly #names: ReadonlySet<string>;
  readonly #targets: CoreTargets;
  #kernel: { readonly btf: Btf; readonly ids: Map<string, number[]> } | undefined;
  #modules: { readonly btf: Btf; readonly ids: Map<string, number[]> }[] | undefined;

  constructor(externs: readonly ExternSpec[], targets: CoreTargets) {
    this.#names = new Set(externs.map(({ name }) => essentialName(name)));
    this.#targets = targets;
  }

  find(extern: ExternSpec): TypedSymbol | undefined {
    this.#kernel ??= this.#scan(this.#targets.vmlinux());
    const inKernel = pick(extern, this.#kernel);
    if (inKernel) return inKernel;
    this.#modules ??= [...this.#targets.modules()].map((btf) => this.#scan(btf));
    for (const scanned of this.#modules) {
      const inModule = pick(extern, scanned);
      if (inModule) return inModule;
    }
    return undefined;
  }

  #scan(btf: Btf) {
    return { btf, ids: btf.findAll(this.#names, SYMBOLS) };
  }
}

/** A function's name may have a flavor, a variable's may not. */
function pick(extern: ExternSpec, { btf, ids }: { btf: Btf; ids: Map<string, number[]> }): TypedSymbol | undefined {
  const [kind, name] = extern.kind === "function" ? ["func", essentialName(extern.name)] : ["var", extern.name];
  const list = ids.get(essentialName(extern.name)) ?? [];
  const id = list.find((found) => btf.kind(found) === kind && btf.nameOf(found) === name);
  return id === undefined ? undefined : { btf, id };
}

function compatible(local: Btf, extern: ExternSpec, { btf, id }: TypedSymbol): boolean {
  const symbol = btf.type(id);
  if (symbol.kind !== "var" && symbol.kind !== "func") return false;
  return typesCompatible({ btf: local, id: extern.type }, { btf, id: btf.resolve(symbol.type) });
}

function notThere(extern: ExternSpec, symbol: TypedSymbol | undefined, targets: CoreTargets): ObjectError {
  const { name, kind } = extern;
  const since = functionSince(name);
  const came = since ? `it came with kernel ${since}: ` : "";
  const why = symbol ? `in the BTF of ${symbol.btf.name} it is of another type` : `no such ${kind} in it`;
  return new ObjectError(`Cannot find ${kind} ${name} of the kernel: ${why}`, KSYMS, 0, {
    subject: `extern ${name}`,
    likely: symbol
      ? `the object was compiled for another kernel`
      : `${came}neither the BTF of ${targets.vmlinux().name} nor that of a loaded module has it`,
    action: `load the module that has it, use a kernel with it, or make it __weak and guard its use by bpf_ksym_exists()`,
  });
}
