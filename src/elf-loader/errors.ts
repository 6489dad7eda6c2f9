/**
 * The errors of the whole library: data first, text second. One class a meaning; each says which call failed, with
 * which errno, on what, and the one most likely cause with what to do about it.
 */

/** What went wrong, by meaning: the exit status of the command line follows from it. */
export type ErrorClass = "object" | "verifier" | "permission" | "unsupported" | "attach" | "runtime";

/** What an error carries besides its one-line message. */
export interface ErrorDetails {
  /** The kernel call, for example `bpf(BPF_PROG_LOAD)`. */
  readonly call?: string | undefined;
  /** Name of the errno, for example `EPERM`. */
  readonly errno?: string | undefined;
  /** What it was about: `program on_kprobe`, `map events`, `.maps+0x10`. */
  readonly subject?: string | undefined;
  /** The one most likely cause. */
  readonly likely?: string | undefined;
  /** What to do about it. */
  readonly action?: string | undefined;
  /** The kernel's own log, for example the verifier's, whole. */
  readonly log?: string | undefined;
  readonly cause?: unknown;
}

/** Names in objects and processes are anybody's: what would move the cursor or end the line is shown as `\x0a`. */
function oneLine(message: string): string {
  const hex = (code: number) => code.toString(16).padStart(2, "0");
  return message.replace(UNPRINTABLE, (unit) => {
    const code = unit.charCodeAt(0);
    // A lone low surrogate stands for one byte that is not UTF-8: bytes/text.ts.
    return code <= 0xff || code >= 0xdc00 ? `\\x${hex(code & 0xff)}` : `\\u${hex(code)}`;
  });
}

/** Controls, line and paragraph separators, marks that turn the direction of text, and lone surrogates. */
const UNPRINTABLE = /[\0-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]/gu;

/** What a message shows of a text that may have any length. */
export const shortened = (text: string, most: number): string =>
  text.length > most ? `${text.slice(0, most)}…` : text;

/** Base of every error thrown on purpose. The message is one line: action first, a capital, no period, the value. */
export abstract class BpfError extends Error {
  abstract readonly class: ErrorClass;
  readonly call?: string | undefined;
  readonly errno?: string | undefined;
  readonly subject?: string | undefined;
  readonly likely?: string | undefined;
  readonly action?: string | undefined;
  readonly log?: string | undefined;

  constructor(message: string, details: ErrorDetails = {}) {
    super(oneLine(message), details.cause === undefined ? undefined : { cause: details.cause });
    this.call = details.call;
    this.errno = details.errno;
    this.subject = details.subject;
    this.likely = details.likely;
    this.action = details.action;
    this.log = details.log;
  }
}

/** The bytes of an object, or what they ask for, cannot be used: ELF, BTF, relocations, globals. */
export class ObjectError extends BpfError {
  override readonly class = "object";
  override readonly name = "ObjectError";
  readonly section: string;
  readonly offset: number;

  /**
   * @param section ELF section the bytes are in, or `ELF header`
   * @param offset bytes from the start of that section
   */
  constructor(message: string, section: string, offset: number, details: ErrorDetails = {}) {
    super(message, { subject: `${section}+0x${offset.toString(16)}`, ...details });
    this.section = section;
    this.offset = offset;
  }
}

/** The kernel's verifier refused a program. */
export class VerifierError extends BpfError {
  override readonly class = "verifier";
  override readonly name = "VerifierError";
}

/** The kernel refused for want of a capability, or by lockdown, LSM or seccomp. */
export class PermissionError extends BpfError {
  override readonly class = "permission";
  override readonly name = "PermissionError";
}

/** The running kernel lacks something. */
export class UnsupportedError extends BpfError {
  override readonly class = "unsupported";
  override readonly name = "UnsupportedError";
}

/** A loaded program could not be attached to its hook. */
export class AttachError extends BpfError {
  override readonly class = "attach";
  override readonly name = "AttachError";
}

/** Anything else that fails while running. */
export class BpfRuntimeError extends BpfError {
  override readonly class = "runtime";
  override readonly name = "BpfRuntimeError";
}
