// Why something was not attached: the errors that all hooks have in common.

import { AttachError, type BpfError } from "elf-loader";
import { kernelError, type Refused } from "../host/kernel-error.ts";
import { capabilitiesOf } from "../program/capabilities.ts";
import type { AttachOptions, LoadedProgram } from "../program/hook.ts";

/** A kernel call's refusal as an error; `place` completes "attach program p to …". `result`: -errno. */
export function refuse(
  result: number,
  program: LoadedProgram,
  place: string,
  call: string,
  more: Partial<Refused> = {},
): BpfError {
  return kernelError(result, {
    doing: `attach program ${program.name} to ${place}`,
    call,
    subject: `program ${program.name}`,
    needs: capabilitiesOf(program.spec.type),
    attaching: true,
    ...more,
  });
}

/** Something about the target or the options that the kernel need not be asked for. */
export function unusable(program: LoadedProgram, place: string, why: string, action?: string): AttachError {
  const subject = `program ${program.name}`;
  return new AttachError(`Cannot attach program ${program.name} to ${place}: ${why}`, { subject, action });
}

/** The target; throws where neither the section nor the options name one. `what`: "an interface". */
export function targetOf(program: LoadedProgram, options: AttachOptions, what: string): string {
  if (options.target) return options.target;
  throw new AttachError(
    `Cannot attach program ${program.name}: section ${program.spec.section} names no target, ${what}`,
    { subject: `program ${program.name}`, action: `give attach() ${what}` },
  );
}

export const cookieOf = (options: AttachOptions): bigint => BigInt(options.cookie ?? 0);

/** A cookie for each of several places: each its own, or all the same; undefined where none was given. */
export function cookiesOf(
  program: LoadedProgram,
  place: string,
  { cookie, cookies }: AttachOptions,
  count: number,
): BigUint64Array | undefined {
  if (cookies && cookies.length !== count)
    throw unusable(program, place, `${cookies.length} cookies were given for ${count} places`);
  const each = cookies ?? (cookie === undefined ? undefined : Array.from({ length: count }, () => cookie));
  return each && new BigUint64Array(each.map(BigInt));
}
