// The verifier's commonest refusals in plain words: what it says (kernel/bpf/verifier.c, its words of 5.10 to 7), what
// that most likely means, and what to do. A row is a cause; the first that matches is told.

import { helperName, helperSince } from "../features/helpers.ts";
import { kernelRelease } from "../host/kernel.ts";

export interface Verdict {
  readonly likely: string;
  readonly action: string;
}

interface Row {
  readonly says: RegExp;
  readonly means: (found: RegExpExecArray) => Verdict;
}

const row = (says: RegExp, likely: string, action: string): Row => ({ says, means: () => ({ likely, action }) });

function unknownHelper(number: number): Verdict {
  const name = helperName(number);
  if (name === undefined) {
    return { likely: `no kernel has a helper ${number}`, action: "look at what the program calls there" };
  }
  const since = helperSince(number);
  const came = since ? `came with kernel ${since}` : "is left out of this kernel";
  return {
    likely: `helper ${name} ${came}, this is ${kernelRelease()}`,
    action: "use another helper or a newer kernel",
  };
}

const ROWS: readonly Row[] = [
  row(
    /invalid mem access '\w*_or_null_?\w*'/,
    "what a lookup or a helper gives may be NULL, and it is used without a check",
    "compare it with NULL before it is used",
  ),
  row(
    /pointer arithmetic on \w+_or_null\w* prohibited/,
    "what may be NULL is added to before it is checked",
    "compare it with NULL first",
  ),
  row(
    /invalid mem access '(?:scalar|inv)'/,
    "a plain number is used as a pointer, as one that was read from the kernel's memory is",
    "read what it points to by bpf_probe_read_kernel() or BPF_CORE_READ()",
  ),
  {
    says: /invalid access to map value, value_size=(\d+) off=(-?\d+) size=(\d+)/,
    means: ([, size, offset, width]) => ({
      likely: `${width} bytes at ${offset} of a map's value of ${size} bytes: that is not within it`,
      action: "look at the type of the map's value and the index",
    }),
  },
  // Before the next one, whose words kernel 7 adds.
  row(
    /invalid access to packet|R\d+ offset is outside of the packet/,
    "bytes of the packet are read without a look whether the packet has them",
    "compare data + offset + size with data_end before they are read",
  ),
  row(
    /(?:min|max) value is (?:negative|outside of the allowed memory range)|unbounded (?:memory access|min value)/,
    "an index has no bounds that the verifier can see",
    "compare it with the size, as unsigned, or mask it (& (SIZE - 1)), right before it is used",
  ),
  row(
    /dereference of modified ctx ptr|variable ctx access/,
    "the context is used with an offset that is not constant",
    "use its fields by name; where the compiler joins two uses, part them by barrier_var()",
  ),
  {
    says: /invalid bpf_context access off=(\d+) size=(\d+)/,
    means: ([, offset, size]) => ({
      likely: `the context of this program type has no field that it may use so at offset ${offset} (${size} bytes)`,
      action: "look at the context's type, and whether this kernel has the field",
    }),
  },
  { says: /invalid func unknown#(\d+)/, means: ([, number]) => unknownHelper(Number(number)) },
  {
    says: /(?:program of this type cannot use helper|unknown func) (bpf_\w+)#\d+/,
    means: ([, name]) => ({
      likely: `programs of this type may not call ${name}, or this kernel is locked down against it`,
      action: "call it from a program of another type",
    }),
  },
  {
    says: /calling kernel function (\w+) is not allowed/,
    means: ([, name]) => ({
      likely: `programs of this type may not call the kernel function ${name}`,
      action: "call it from a program of another type",
    }),
  },
  row(
    /cannot call GPL[ -](?:restricted function|only function|function)/,
    "a helper that is only for programs under a licence that agrees with the GPL",
    'state such a licence: char LICENSE[] SEC("license") = "GPL"',
  ),
  row(
    /infinite loop detected|back-edge from insn/,
    "a loop has no end that the verifier can see",
    "give it a constant bound, or use bpf_for() or bpf_loop()",
  ),
  row(
    /program is too large|(?:jumps|sequence of \d+ jumps) is too complex/,
    "the program has more paths than the verifier looks at",
    "shorten loops, put parts in functions of their own (__noinline), or use bpf_loop()",
  ),
  row(
    /combined stack size|invalid (?:stack access|write to stack|variable-offset \w+ (?:to|of|from) stack)|stack depth \d+ exceeds/,
    "the stack has 512 bytes, those of called functions among them",
    "put large variables in a map, one for each CPU",
  ),
  row(
    /invalid (?:indirect )?(?:read from|access to) stack|invalid read from stack/,
    "memory of the stack is used that was not written before",
    "initialise the variable, its padding too: struct key key = {}",
  ),
  row(
    /R0 !read_ok/,
    "the program ends without a result, or uses one that was not given",
    "return a value on every path",
  ),
  row(/R\d+ !read_ok/, "a variable is used that was not given a value on this path", "initialise it"),
  {
    says: /R(\d) type=(\w+) expected=([\w, ]+)/,
    means: ([, number, type, expected]) => ({
      likely: `argument ${number} is of kind ${type}, and the function takes ${expected?.trim().replace(/,$/, "")}`,
      action: "look at what is given there, and whether it was checked for NULL",
    }),
  },
  row(
    /Unreleased reference|reference leak|reference has not been released/,
    "what was acquired is not given back on every path",
    "release it before the program ends (bpf_sk_release(), bpf_ringbuf_submit() or _discard() …)",
  ),
  row(
    /(?:At program exit|At async callback return) the register R0 has .*should have been in|At program exit the register R0/,
    "the program's result is none that this type of program may give",
    "return one of the values of its type",
  ),
  row(
    /missing unlock|bpf_spin_(?:un)?lock|while holding a lock|inside bpf_spin_lock-ed region/,
    "a lock is held where the program ends, or where it calls a function",
    "unlock it on every path before that",
  ),
  row(
    /write into map forbidden|only read from bpf_array is supported|cannot write into (?:rdonly|\w*rdonly\w*)/,
    "read-only memory is written: .rodata, or a map that is frozen or read-only for programs",
    "keep what is written in .data, .bss or a map",
  ),
  row(
    /call stack of \d+ frames is too deep|max stack depth/,
    "functions call each other more than 8 deep",
    "inline some (__always_inline)",
  ),
  row(
    /Caller passes invalid args into func#\d+/,
    "a global function is given what its declaration does not promise: it is verified by that alone",
    "pass what it declares, or make the function static",
  ),
  row(/unreachable insn/, "there are instructions that no path leads to", "compile with optimisation (-O2)"),
  row(
    /might sleep in non-sleepable|sleepable .* non-sleepable/,
    "a function that may sleep is called where nothing may",
    "use a sleepable program (lsm.s, fentry.s, iter.s …) or another function",
  ),
  row(
    /misaligned \w+ access/,
    "memory is used at an address that is no multiple of its size",
    "copy it by bpf_probe_read_kernel() or __builtin_memcpy()",
  ),
];

/** What a verdict most likely means; undefined for a rarer one. */
export function explainVerdict(verdict: string): Verdict | undefined {
  for (const { says, means } of ROWS) {
    const found = says.exec(verdict);
    if (found) return means(found);
  }
  return undefined;
}
