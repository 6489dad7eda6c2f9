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
  readonly means: (found: RegExpExecArray, log: string) => Verdict;
}

/** What a pointer in a register has become a number by, as the log says it was one when last it was written down. */
function invalidated(named: string, log: string): Verdict | undefined {
  let place = `R${named}`; // or where on the stack it was kept: fp-8
  let depth = 0; // of calls that have come back since
  const calls: string[] = [];
  const lines = log.split("\n");
  const fault = lines.findLastIndex((line) => INSTRUCTION.test(line));
  for (const line of lines.slice(0, Math.max(0, fault)).reverse()) {
    const call = CALL.exec(line)?.[1];
    if (RETURNED.test(line)) depth++;
    else if (depth > 0 && CALLED.test(line)) depth--;
    else if (depth === 0) {
      if ([...line.matchAll(BYTES)].some(([, found]) => found === place)) return undefined; // of a helper's, or zeros
      const last = [...line.matchAll(STATE)].filter(([, found]) => found === place).at(-1);
      const bare = place.startsWith("fp") && last?.[3] === ""; // before 6.2 there is more about the register only
      if (last && !bare && !NUMBER.test(last[2] ?? "")) return becameInvalid(last[2] ?? "", last[3] ?? "", calls);
      const write = WRITES.map((one) => one.exec(line)?.groups).find((groups) => groups?.to !== undefined);
      const [written, source] = [placeOf(write?.to), placeOf(write?.from)];
      if (ELSEWHERE.test(line) || (written === place && source === undefined)) return undefined;
      if (call && LOST_BY_CALLS.test(place)) return undefined; // the call's result, or nothing any more
      if (written === place && source !== undefined) place = source; // a copy: what it is of is written down further up
    }
    if (call) calls.push(call);
  }
  return undefined;
}

/** The kind of a register, or of a place on the stack, and what is said of it. */
const STATE = /\b(R\d+|fp-\d+)(?:_[a-zA-Z]+)?=([a-z_]+)((?:\([^)]*\))?)/g;
/** A place on the stack that no pointer is in. */
const BYTES = /\b(fp-\d+)(?:_[a-zA-Z]+)?=[m0?]{8}/g;
/** Where an instruction writes, and what it copies: a register to the stack, anything else to there, one from there, any other. */
const WRITES = [
  /^\d+: \(7b\) \*\(u64 \*\)\(r10 (?<to>-\d+)\) = (?<from>r\d+)/,
  /^\d+: \(\w+\) \*\(u\d+ \*\)\(r10 (?<to>-\d+)\) =/,
  /^\d+: \(79\) (?<to>r\d+) = \*\(u64 \*\)\(r10 (?<from>-\d+)\)/,
  /^\d+: \(\w+\) (?<to>[rw]\d+) (?:= (?<from>r\d+)\b|\S{0,3}=)/,
];
/** As states call it: R5 of r5 or w5, fp-8 of -8. */
const placeOf = (operand?: string) => operand?.replace(/^[rw]/, "R").replace(/^-/, "fp-");
const INSTRUCTION = /^\d+: \(/;
const CALL = /^\d+: \(85\) call (\w+)#/;
/** Where registers are another function's. */
const ELSEWHERE = /^\d+: \((?:85\) call pc|95\))|frame\d/;
/** Between these are those of a function that was called and has come back; what the caller's are stands before the first. */
const [CALLED, RETURNED] = [/^callee:/, /^to caller at /];
const NUMBER = /^(?:scalar|inv)$/;
/** What these held is lost with a call. */
const LOST_BY_CALLS = /^R[0-5]$/;
/** What moves a packet: bpf_helper_changes_pkt_data() in net/core/filter.c. */
const MOVES =
  /^bpf_(?:(?:skb|xdp|msg|lwt)_\w*(?:adjust|change|push|pull|pop|store|action)|l[34]_csum_replace|clone_redirect|(?:store|reserve)_hdr_opt|tail_call)/;
/** By the number of the reference: `ref_obj_id`, on kernel 7 `id`. */
const OWNED = /id=[1-9]/;
const MEMORY = /(?:^|_)mem/;
/** What gives such a thing back. */
const RELEASES: readonly (readonly [of: RegExp, by: RegExp])[] = [
  [MEMORY, /_ringbuf_(?:submit|discard)|_destroy$/], // mem and alloc_mem before 6.2; rdonly_mem of an iterator
  [/sock/, /_sk_release$/],
];
const OTHERS = /(?<!_sk)_(?:release|drop|put|destroy|xchg)\w*$/;

/** `kind`: of a pointer; `calls`: since then, the last one first. */
function becameInvalid(kind: string, state: string, calls: readonly string[]): Verdict | undefined {
  const by = (names: RegExp) => calls.find((name) => names.test(name));
  const [, releases = OTHERS] = RELEASES.find(([of]) => of.test(kind)) ?? [];
  const released = OWNED.test(state) && kind !== "map_value" ? by(releases) : undefined;
  if (released) {
    return {
      likely: `memory or an object is used after it was given back by ${released}()`,
      action: "use it before, or keep what is needed of it in a variable",
    };
  }
  const mover = by(MOVES);
  // A slice of a packet's dynptr is memory to the verifier.
  const moves = MEMORY.test(kind) ? mover !== undefined : /^pkt(?:_meta)?$/.test(kind) && calls.length > 0;
  if (!moves) return undefined;
  return {
    likely: `a pointer into the packet is used after ${mover ? `${mover}(), which` : "a call that"} may move it`,
    action: "take data and data_end from the context again after the call, and compare them again",
  };
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

/** Bytes of the stack: MAX_BPF_STACK. */
const STACK_SIZE = 512;
const TOO_LARGE_STACK: Verdict = {
  likely: "the stack has 512 bytes, those of called functions among them",
  action: "put large variables in a map, one for each CPU",
};
const EMPTY: Verdict = {
  likely: "the number of bytes that the helper is given may be 0, which it does not take",
  action: "compare it with 0, and with the size there is, before the call",
};
const SLEEPS: Verdict = {
  likely: "a function that may sleep is called where nothing may",
  action: "use a sleepable program (lsm.s, fentry.s, iter.s …) or another function",
};

/** Bytes of the stack that are not the function's: the end of its part is at 0, and where a variable ends nobody knows. */
function besideStack(offset: number, size: number): Verdict {
  if (size === 0) return EMPTY;
  if (offset < -STACK_SIZE) return TOO_LARGE_STACK;
  return {
    likely: `${size} bytes at ${offset} from the end of the function's stack reach beyond it, and beyond their variable`,
    action: "look at the variable's size, and at the index, the length or the map's types by which so many are used",
  };
}

const ROWS: readonly Row[] = [
  row(
    /invalid mem access '\w*_or_null_?\w*'|Possibly NULL pointer passed to/,
    "what a lookup or a helper gives may be NULL, and it is used without a check",
    "compare it with NULL before it is used",
  ),
  row(
    /pointer arithmetic on \w+_or_null\w* prohibited/,
    "what may be NULL is added to before it is checked",
    "compare it with NULL first",
  ),
  {
    says: /R(\d) invalid mem access '(?:scalar|inv)'/,
    means: ([, register = ""], log) =>
      invalidated(register, log) ?? {
        likely: "a plain number is used as a pointer, as one that was read from the kernel's memory is",
        action: "read what it points to by bpf_probe_read_kernel() or BPF_CORE_READ()",
      },
  },
  {
    says: /invalid access to (map value|map key|memory), \w+_size=(\d+) off=(-?\d+) size=(\d+)/,
    means: ([, what = "", size, offset, width]) => ({
      likely: `${width} bytes at ${offset} of ${what.replace("map ", "a map's ")} of ${size} bytes: that is not within it`,
      action: "look at the size of what is used there, and at the index",
    }),
  },
  { says: /invalid zero-sized read/, means: () => EMPTY },
  {
    says: /value (-?\d+) makes \w+ pointer be out of bounds/,
    means: ([, value]) => ({
      likely: `an index may be ${value}, which is within nothing: it is signed, or was compared on one side only`,
      action: "make it unsigned, or mask it (& (SIZE - 1)), right before it is used",
    }),
  },
  {
    says: /math between \w+ pointer and (-?\d+) is not allowed|\w+ pointer offset (-?\d+) is not allowed/,
    means: ([, added, offset]) => ({
      likely: `${added ?? offset} is added to a pointer: that is within nothing`,
      action: "look at the index that is used there",
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
  // Kernels before 6.8 have them for sleepable programs only.
  {
    says: /(?:program of this type cannot use helper|unknown func) (?:bpf_copy_from_user|bpf_ima_\w+_hash)/,
    means: () => SLEEPS,
  },
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
  { says: /combined stack size|stack depth \d+ exceeds/, means: () => TOO_LARGE_STACK },
  {
    says: /invalid(?: \w+)* stack (?:\S+ )*?off=(-?\d+) (?:access_)?size=(-?\d+)/,
    means: ([, offset, size]) => besideStack(Number(offset), Number(size)),
  },
  row(
    /invalid (?:unbounded )?variable-offset|variable (?:offset )?stack access|outside of stack bound/,
    "an index into a variable on the stack may be outside of it",
    "compare it with the size, as unsigned, or mask it (& (SIZE - 1)), right before it is used",
  ),
  row(
    /invalid (?:indirect )?read from stack/,
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
    means: ([, number = "", type, expected], log) =>
      (NUMBER.test(type ?? "") ? invalidated(number, log) : undefined) ?? {
        likely: `argument ${number} is of kind ${type}, and the function takes ${expected?.trim().replace(/,$/, "")}`,
        action: "look at what is given there, and whether it was checked for NULL",
      },
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
    /missing unlock|bpf_spin_unlock is missing|while holding a lock|inside bpf_spin_lock-ed region/,
    "a lock is held where the program ends, or where it calls a function",
    "unlock it on every path before that",
  ),
  row(
    /unlock without taking a lock|unlock of different lock/,
    "a lock is given back that is not held there",
    "take it on every path before that",
  ),
  {
    says: /(\w[\w ]*) progs cannot use (bpf_\w+|bpf_\{\S+)/,
    means: ([, programs, what]) => ({
      likely: `${programs} programs may not use a map with ${what} in its values`,
      action: "add by atomic operations (__sync_fetch_and_add()), or use the map in a program of another type",
    }),
  },
  {
    says: /(\w+) cannot be accessed directly by load\/store/,
    means: ([, what]) => ({
      likely: `${what} in a map's value is read or written as memory, in the value as a whole perhaps`,
      action: "use the members beside it one by one",
    }),
  },
  {
    says: /doesn't point to 'struct (\w+)'(?: that is at (\d+))?/,
    means: ([, what, offset]) => ({
      likely: `the helper is given another address than that of the value's struct ${what}${offset ? ` at ${offset}` : ""}`,
      action: "give it the address of that member",
    }),
  },
  {
    says: /map '(.*)' has to have BTF in order to use (\w+)/,
    means: ([, map, what]) => ({
      likely: `map ${map} is without types, which say where ${what} is in its values`,
      action: 'define it in SEC(".maps") with __type(key, …) and __type(value, struct …)',
    }),
  },
  row(
    /write into map forbidden|only read from bpf_array is supported|cannot write into (?:rdonly|\w*rdonly\w*)/,
    "read-only memory is written: .rodata, or a map that is frozen or read-only for programs",
    "keep what is written in .data, .bss or a map",
  ),
  row(
    /only read is supported/,
    "memory of the kernel is written through a pointer to one of its types, which only may be read",
    "write by a helper or a function of the kernel that is for it, or write to memory of the program's own",
  ),
  row(
    /R\d (?:is not a known constant|unbounded size)/,
    "a size that must be a constant varies",
    "give a constant; to a ring buffer, bpf_ringbuf_output() and bpf_ringbuf_reserve_dynptr() give any number of bytes",
  ),
  row(
    /pointer arithmetic with \S+ operator prohibited|bitwise operator \S+ on pointer prohibited/,
    "a pointer is used in a calculation other than adding to it or subtracting from it",
    "calculate with the index alone, and add it to the pointer last",
  ),
  row(
    /helper access to the packet is not allowed/,
    "a helper is given a pointer into the packet, which it does not take, as it may move the packet",
    "give it the address of a variable on the stack, with a copy of the bytes",
  ),
  {
    says: /cannot pass map_type \d+ into func (\w+)|expected prog array map for tail call/,
    means: ([, name = "bpf_tail_call"]) => ({
      likely: `a map of another type than ${name}() takes is given to it`,
      action: "look at the map's type",
    }),
  },
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
  {
    says: /might sleep in|sleepable (?:helper|global function) .* in |is sleepable (?:within|but)|must be sleepable/,
    means: () => SLEEPS,
  },
  row(
    /misaligned (?:\w+ )?access/,
    "memory is used at an address that is no multiple of its size",
    "copy it by bpf_probe_read_kernel() or __builtin_memcpy()",
  ),
];

/** What a verdict most likely means, `log` being all that the verifier said; undefined for a rarer one. */
export function explainVerdict(verdict: string, log: string): Verdict | undefined {
  for (const { says, means } of ROWS) {
    const found = says.exec(verdict);
    if (found) return means(found, log);
  }
  return undefined;
}
