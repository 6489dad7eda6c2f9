// What the kernel calls its functions and where they are: /proc/kallsyms (kernel/kallsyms.c), for messages to those who
// asked for a function that is not there, or there several times. 10 MB: read only then.

import { readFileSync } from "node:fs";

interface KernelSymbol {
  /** Hexadecimal; zeros to who may not know (kernel.kptr_restrict). */
  readonly address: string;
  readonly name: string;
  /** The module it is in, "" for the kernel itself. */
  readonly module: string;
}

/** Functions by name, in no order; [] where the file is not to be had. */
export function kernelFunctions(): KernelSymbol[] {
  let text: string;
  try {
    text = readFileSync("/proc/kallsyms", "latin1");
  } catch {
    return [];
  }
  const functions: KernelSymbol[] = [];
  for (const [, address = "", name = "", module = ""] of text.matchAll(/^(\w+) [tTwW] (\S+)(?:\t\[(\S+)\])?$/gm))
    functions.push({ address, name, module });
  return functions;
}

/** Where a function of this name is, one entry a place: `0xffffffff81234560`, `0xffffffffc0001230 [module]`. */
export function addressesOf(name: string): string[] {
  const found = kernelFunctions().filter((symbol) => symbol.name === name);
  return found.map(({ address, module }) => `0x${address}${module ? ` [${module}]` : ""}`);
}

export function* kernelFunctionNames(): Generator<string> {
  for (const { name } of kernelFunctions()) yield name;
}
