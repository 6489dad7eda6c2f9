// Differences from libbpf that have a reason. A row is a difference that was looked into; what is not here is a defect.

import type { Difference } from "./verdicts.ts";

interface Exception {
  /** Kernels, objects and programs it holds for. */
  readonly kernel: RegExp;
  readonly object: RegExp;
  readonly program: RegExp;
  /** What they say, libbpf first: `EINVAL / ENOENT: Cannot …`. */
  readonly said?: RegExp;
  readonly reason: string;
}

const ANY = /^/;

const EXCEPTIONS: readonly Exception[] = [
  {
    ...{ kernel: ANY, object: /^fixtures\/map_legacy(_short)?\./, program: ANY },
    reason: "a section maps of before BTF, which libbpf refuses since 1.0: we load it",
  },
  {
    ...{ kernel: ANY, object: /^fixtures\/hooks_kernel\./, program: /^on_fentry_multi$/ },
    reason: "fentry.multi is a section of libbpf 1.8",
  },
  {
    ...{ kernel: ANY, object: /^fixtures\/(constructs|externs)\./, program: /^(needs_function|symbols)$/ },
    reason: "the number that stands for a weak function which is not there is each loader's own",
  },
  {
    ...{ kernel: /^5\.10$/, object: /^fixtures\/constructs\./, program: /^(use)?$/ },
    reason: "the types of a global function's arguments are more than 5.10 knows: we give it the program without them",
  },
  {
    ...{ kernel: ANY, object: /^fixtures\/map_slots\./, program: ANY },
    reason: "a slot for a program that is not loaded fails libbpf with EBADF: we leave it empty",
  },
  {
    ...{ kernel: /^7$/, object: /^fixtures\/hooks_kernel\./, program: /^$/ },
    reason: "with fentry.multi, a section of libbpf 1.8, in it",
  },
  {
    ...{ kernel: ANY, object: /^fixtures\/calls\./, program: /^$/, said: /^EOPNOTSUPP \/ EINVAL:/ },
    reason: "a static function among programs: libbpf opens no such object, we load all of it that the verifier takes",
  },
  {
    ...{ kernel: ANY, object: /^fixtures\/global_lock\./, program: /^(locks)?$/, said: / \/ loads$/ },
    reason: "the kernel maps no map with a lock: libbpf maps every section of variables, we read them by calls",
  },
  {
    ...{ kernel: ANY, object: ANY, program: ANY, said: /^ESRCH \/ EPERM: .*BPF_PROG_LOAD\) gave EPERM$/ },
    reason: "a kernel that refuses all programs of this hook: libbpf has looked for the function before that, in vain",
  },
  {
    ...{ kernel: ANY, object: /^fixtures\/hooks_struct_ops\./, program: /^spare_least$/, said: /^instruction / },
    reason: "of a struct that is left out: neither loads it, libbpf relocates it all the same",
  },
  {
    ...{ kernel: /^5\.10$/, object: /^fixtures\/externs\./, program: /^(per_cpu)?$/, said: /^EINVAL \/ EACCES: / },
    reason:
      "a variable that this kernel has, but no type of it: libbpf gives the verifier type 0, we an address that is NULL",
  },
];

/** Why the two may differ here; undefined where they may not. */
export function reasonOf(kernel: string, { object, program, libbpf, ours }: Difference): string | undefined {
  const holds = (row: Exception) =>
    row.kernel.test(kernel) &&
    row.object.test(object) &&
    row.program.test(program) &&
    (row.said ?? ANY).test(`${libbpf} / ${ours}`);
  return EXCEPTIONS.find(holds)?.reason;
}
