// Compiles a container runtime's seccomp profile to the filter that the kernel takes, for bubblewrap, which wants that.
// Format: the OCI runtime specification's config-linux.md.

import { readFileSync, writeFileSync } from "node:fs";
import { SYSCALL_NUMBERS } from "../../src/sys/syscall-numbers.ts";
import { ALLOW, type Answer, filterProgram, refuseWith } from "../kernel/seccomp-filter.ts";

interface Profile {
  readonly defaultErrnoRet: number;
  readonly syscalls: readonly {
    readonly names: readonly string[];
    readonly action: string;
    readonly errnoRet?: number;
    /** What an argument must be, under a mask, for the rule to hold. */
    readonly args?: readonly {
      readonly index: number;
      readonly value: number;
      readonly valueTwo: number;
      readonly op: "SCMP_CMP_MASKED_EQ";
    }[];
    /** Capabilities of the container without which the rule is none. */
    readonly includes?: { readonly caps: readonly string[] };
  }[];
}

/** Writes the filter of a profile for a container with these capabilities; names that this machine has no number for are passed over, as runtimes do. */
export function compileProfile(profilePath: string, filterPath: string, capabilities: readonly string[]): void {
  const { defaultErrnoRet, syscalls } = JSON.parse(readFileSync(profilePath, "utf8")) as Profile;
  const held = new Set(capabilities.map((name) => `CAP_${name}`));
  const rules = syscalls.filter(({ includes }) => (includes?.caps ?? []).every((name) => held.has(name)));
  const answers = rules.flatMap(({ names, action, errnoRet = 1, args: [only] = [] }) =>
    names.flatMap((name): Answer[] => {
      const number = SYSCALL_NUMBERS.get(name);
      const where = only && { index: only.index, mask: only.value, equals: only.valueTwo };
      return number === undefined ? [] : [[number, action === "SCMP_ACT_ALLOW" ? ALLOW : refuseWith(errnoRet), where]];
    }),
  );
  writeFileSync(filterPath, filterProgram(answers, refuseWith(defaultErrnoRet)));
}
