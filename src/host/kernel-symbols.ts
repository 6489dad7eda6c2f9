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

let cached: WeakRef<{ readonly text: string }> | undefined;

/** "" where the file is not to be had. Kept until the garbage collector comes, for those who ask several times in a row. */
function kallsyms(): string {
  const known = cached?.deref();
  if (known) return known.text;
  try {
    const read = { text: readFileSync("/proc/kallsyms", "latin1") };
    cached = new WeakRef(read);
    return read.text;
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

/**
 * Where functions of this name are, one entry a place: `0xffffffff81234560`. The kernel's own count more than those of
 * modules, which are listed, `0xffffffffc0001230 [module]`, where it has none.
 */
export function addressesOf(name: string): string[] {
  const text = kallsyms();
  const found: string[] = [];
  for (let at = text.indexOf(` ${name}`); at >= 0; at = text.indexOf(` ${name}`, at + 1)) {
    const line = text.slice(text.lastIndexOf("\n", at) + 1, text.indexOf("\n", at));
    const [, address, symbol, module] = /^(\w+) [tTwW] (\S+)(\t\[\S+\])?$/.exec(line) ?? [];
    if (symbol === name) found.push(`0x${address}${module?.replace("\t", " ") ?? ""}`);
  }
  const own = found.filter((place) => !place.includes("["));
  return own.length > 0 ? own : found;
}

export function* kernelFunctionNames(): Generator<string> {
  for (const { name } of kernelFunctions()) yield name;
}
