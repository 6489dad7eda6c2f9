// Flags and sizes as numbers that the kernel gets as they are: of what is no whole number of so many bits it would get
// another, mostly 0.

import { BpfRuntimeError, type MapSpec } from "elf-loader";
import { shown } from "./codec.ts";

const WORD = 2 ** 32;

/** Throws TypeError where it is no whole number below `limit`. */
export function checkedFlags(flags: number, limit: number = Number.MAX_SAFE_INTEGER): number {
  if (Number.isInteger(flags) && flags >= 0 && flags < limit) return flags;
  throw new TypeError(`Cannot use ${shown(flags)} as flags: expected a whole number, such as BPF_NOEXIST`);
}

/** Those of a call that has 4 bytes for them. */
export const checkedWord = (flags: number): number => checkedFlags(flags, WORD);

/** What a definition says in 4 bytes each. */
const WORDS = ["keySize", "valueSize", "maxEntries", "flags"] as const;

/** Throws BpfRuntimeError. */
export function checkNumbers(spec: MapSpec): void {
  const wrong = WORDS.find((name) => !Number.isInteger(spec[name]) || spec[name] < 0 || spec[name] >= WORD);
  if (!wrong) return;
  const message = `Cannot create map ${spec.name}: its ${wrong} is ${shown(spec[wrong])}`;
  throw new BpfRuntimeError(message, { subject: `map ${spec.name}`, action: `give a whole number below ${WORD}` });
}
