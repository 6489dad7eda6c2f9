// What a security module holds this process to, from /proc/self/attr/current (proc_pid_attr(5)), which containers see when
// the list of modules is not to be seen: `docker-default (enforce)`, `system_u:system_r:container_t:s0:c1,c2`.

import { readFileSync } from "node:fs";

/** Who confines, by what, and the flag of `docker run` that lifts it. */
export interface Confinement {
  readonly by: string;
  readonly lift: string;
}

/** Types of SELinux that are held to nothing. */
const UNCONFINED = /^(?:unconfined|kernel|spc|initrc|container_runtime)_t$/;

/** The profile or the type in the text of that file; undefined where it confines nothing, or nobody says. */
export function parseConfinement(text: string): Confinement | undefined {
  const profile = /^(.+) \((?:enforce|kill|prompt)\)$/.exec(text)?.[1];
  if (profile) return { by: `AppArmor's profile ${profile}`, lift: "--security-opt apparmor=unconfined" };
  const type = /^[^:]+:[^:]+:([^:]+)(?::.*)?$/.exec(text)?.[1];
  if (!type || UNCONFINED.test(type)) return undefined;
  return { by: `SELinux's type ${type}`, lift: "--security-opt label=disable" };
}

/** Of this process. */
export function confinement(): Confinement | undefined {
  try {
    return parseConfinement(readFileSync("/proc/self/attr/current", "utf8").replace(/[\0\n]+$/, ""));
  } catch {
    return undefined; // EINVAL: there is no such module
  }
}
