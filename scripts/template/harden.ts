// Decides what of Bun's own configuration by environment stays alive in our executable: nothing that runs code, opens a
// debugger or writes files. (MIMALLOC_* still has the allocator write about itself to standard error.)
//
// A compiled Bun executable obeys environment variables that run other code in its process (BUN_OPTIONS=--preload,
// BUN_BE_BUN, BUN_INSPECT_PRELOAD), open a debugger (BUN_INSPECT), change the engine and write into its standard
// output (BUN_JSC_*), write files (BUN_BYTECODE_ORDER_OUT, JSC_PROFILER_PATH) or feed the C compiler behind bun:ffi
// (BUN_TCC_OPTIONS, C_INCLUDE_PATH). File capabilities do not stop them as they stop LD_PRELOAD. No flag of
// `bun build` turns them off, so their names are blanked in the copy of Bun that we compile onto: a name that begins
// with NUL is never the name of an environment variable.
//
// What is found where was read in the pinned version's ELF file (see elf(5)); another version may keep them
// elsewhere, so that whatever is expected and not found is an error.

import { machineOf, section, unknownMachine } from "./elf.ts";
import { limitProcessors } from "./processors.ts";

/** Names that must be found: a Bun without one of them is one this file was not written for. */
const REQUIRED = [
  ...[
    "BUN_OPTIONS",
    "BUN_BE_BUN",
    "BUN_INSPECT",
    "BUN_INSPECT_PRELOAD",
    "BUN_INSPECT_CONNECT_TO",
    "BUN_INSPECT_NOTIFY",
  ],
  ...["BUN_TCC_OPTIONS", "C_INCLUDE_PATH", "LIBRARY_PATH", "BUN_RUNTIME_TRANSPILER_CACHE_PATH", "BUN_TMPDIR"],
  ...["BUN_BYTECODE_ORDER_OUT", "BUN_BYTECODE_ORDER_NAMES_OUT", "BUN_BYTECODE_DIGEST_OUT", "BUN_TRACE"],
  ...["NODE_COMPILE_CACHE", "NODE_REDIRECT_WARNINGS", "NODE_CHANNEL_FD", "NODE_EXTRA_CA_CERTS"],
  ...["JSC_PROFILER_PATH", "JSC_SIGNAL_FOR_GC", "ICU_DATA", "BUN_CRASH_REPORT_URL", "BUN_WATCHER_TRACE"],
];

/** Whatever else looks like one: a C string that is all of a name. Such strings only ever serve getenv. */
const LOOKS_LIKE_ONE = /(?<=\0)(?:BUN|NODE)_[A-Z0-9_]+(?=\0)/g;

/** Before a name in running text ("set $BUN_TMPDIR") or in JavaScript (process.env.NODE_DEBUG): not what getenv is given. */
const PROSE = new Set([..." .\"'`$(<"].map((character) => character.charCodeAt(0)));

/**
 * The engine's options have no name in the file: JSCInitialize compares each variable's first eight bytes with
 * BUN_JSC_ one by one, and after each jumps to the next variable if it differs. Making the first jump unconditional
 * leaves it no variable to read. By e_machine (elf.h): what the comparisons look like, in latin1, from the first jump
 * on, and how that jump is changed.
 */
interface EngineOptions {
  readonly pattern: RegExp;
  /** The new first byte of the jump, from the old one. */
  jump(first: number): number;
}

const latin1 = (...codes: number[]) => codes.map((code) => `\\x${code.toString(16).padStart(2, "0")}`).join("");

/** cmp wN, #letter: 0x7100001f, the letter from bit 10 and the register from bit 5. */
function compareArm(letter: string): string {
  const code = 0x7100001f + (letter.charCodeAt(0) << 10);
  const [second, third] = [(code >> 8) & 0xff, (code >> 16) & 0xff];
  return `[${latin1(0x1f, 0x3f, 0x5f, 0x7f, 0x9f, 0xbf, 0xdf, 0xff)}][${latin1(second, second + 1, second + 2, second + 3)}]${latin1(third, 0x71)}`;
}

const [FIRST, ...OTHERS] = [..."BUN_JSC_"] as [string, ...string[]];
const ENGINE_OPTIONS: Record<number, EngineOptions> = {
  // EM_X86_64: cmpb $'B', (r14); jne short; cmpb $'U', 1(r14); jne short … A jne (0x75) becomes a jmp (0xeb).
  62: {
    pattern: new RegExp(
      `(?<=A\x80>${FIRST})u.${OTHERS.map((letter, index) => `A\x80~${latin1(index + 1)}${letter}u.`).join("")}`,
      "gs",
    ),
    jump: () => 0xeb,
  },
  // EM_AARCH64: cmp wN, #'B'; b.ne; ldrb wN, [xM, #1]; cmp wN, #'U'; b.ne … The condition, ne (1), becomes always (14).
  183: {
    pattern: new RegExp(
      `(?<=${compareArm(FIRST)})...T${OTHERS.map((letter) => `...9${compareArm(letter)}...T`).join("")}`,
      "gs",
    ),
    jump: (first) => (first & 0xf0) | 14,
  },
};

/** Blanks a name wherever it is not prose; answers how often. Rust keeps strings end to end, without a NUL between. */
function blank(data: Buffer, name: string): number {
  let found = 0;
  for (let at = data.indexOf(name, 0, "latin1"); at >= 0; at = data.indexOf(name, at + 1, "latin1")) {
    if (PROSE.has(data[at - 1] ?? 0)) continue;
    data[at] = 0;
    found++;
  }
  return found;
}

function blankNames(data: Buffer): void {
  // The text goes first: the longer name would otherwise hide behind the shorter one it begins with.
  const others = new Set(data.toString("latin1").match(LOOKS_LIKE_ONE) ?? []);
  for (const name of REQUIRED.toSorted((a, b) => b.length - a.length))
    if (blank(data, name) === 0) throw new Error(`Cannot harden Bun: it does not hold the name ${name}`);
  for (const name of others) blank(data, `${name}\0`);
}

function closeEngineOptions(text: Buffer, machine: number): void {
  const known = ENGINE_OPTIONS[machine];
  if (!known) throw unknownMachine(machine, ENGINE_OPTIONS);
  const found = [...text.toString("latin1").matchAll(known.pattern)];
  const at = found[0]?.index;
  if (found.length !== 1 || at === undefined)
    throw new Error(`Cannot harden Bun: ${found.length} places read BUN_JSC_*, expected 1`);
  text[at] = known.jump(text[at] ?? 0);
}

/**
 * A copy of a Bun executable (ELF64, x86-64 or arm64) that obeys none of the variables above, and starts few threads.
 * Throws an Error when this is not the Bun it was written for.
 */
export function harden(bun: Uint8Array): Uint8Array {
  const bytes = Buffer.from(bun);
  const [data, text] = [section(bytes, ".rodata"), section(bytes, ".text")];
  blankNames(bytes.subarray(data.start, data.end));
  closeEngineOptions(bytes.subarray(text.start, text.end), machineOf(bytes));
  limitProcessors(bytes);
  return bytes;
}
