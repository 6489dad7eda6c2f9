// The command line as it was given: what is not UTF-8 keeps its bytes, as lone surrogates (see bytesToString).

import { readFileSync } from "node:fs";
import { bytesToString } from "../index.ts";

const NUL = 0;

/** The runtime's own list has U+FFFD where an argument was not UTF-8; /proc/self/cmdline has the bytes. */
export function commandLineArguments(): string[] {
  const known = process.argv.slice(2);
  if (known.every((argument) => !argument.includes("\ufffd"))) return known;
  const bytes = readFileSync("/proc/self/cmdline");
  const given: string[] = [];
  for (let start = 0; start < bytes.length; ) {
    const end = bytes.indexOf(NUL, start);
    given.push(bytesToString(bytes, start, end));
    start = end + 1;
  }
  return given.slice(given.length - known.length);
}
