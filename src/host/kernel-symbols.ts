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

/** "" where the file is not to be had. */
function kallsyms(): string {
  try {
    return readFileSync("/proc/kallsyms", "latin1");
  } catch {
    return "";
  }
}

/**
 * Addresses of symbols of any kind, in hexadecimal, each once: 0 to who may not know. A local variable that a compiler
 * has renamed (`name.llvm.123`) counts by its name, as with libbpf.
 */
export function symbolAddresses(names: Iterable<string>): Map<string, Set<string>> {
  const found = new Map([...names].map((name) => [name, new Set<string>()]));
  const text = kallsyms();
  for (const [name, addresses] of found) {
    // Searching for a text is many times faster than splitting 10 MB into lines.
    for (let at = text.indexOf(` ${name}`); at >= 0; at = text.indexOf(` ${name}`, at + 1)) {
      const line = text.slice(text.lastIndexOf("\n", at) + 1, text.indexOf("\n", at));
      const [, address = "", kind, symbol = ""] = /^(\w+) (\w) (\S+)/.exec(line) ?? [];
      if ((kind === "d" ? symbol.replace(/\.llvm\..*$/, "") : symbol) === name) addresses.add(address);
    }
  }
  return found;
}

/** Functions by name, in no order; [] where the file is not to be had. */
export function kernelFunctions(): KernelSymbol[] {
  const text = kallsyms();
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
