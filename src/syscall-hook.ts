// One program for every way to watch a system call's entry: the first hook that the running kernel allows.
//
// The object has a program for each hook, with one body; only the chosen one is loaded. Each way is tried for real,
// and what it failed with is kept as the reason why it was passed over.

import { BpfError, type ObjectSpec } from "elf-loader";
import { syscallEntryName, syscallFunctions } from "./host/syscalls.ts";
import { BpfObject } from "./object.ts";
import type { Attachment } from "./program/hook.ts";

/** Hook names, in the order in which they are tried. */
export const SYSCALL_HOOKS = ["kprobe", "fentry", "tracepoint", "raw_tracepoint"] as const;
export type SyscallHook = (typeof SYSCALL_HOOKS)[number];

/** What each hook is attached to; where there are several names, the first that the kernel has. */
const TARGETS: { readonly [hook in SyscallHook]: (syscall: string) => readonly string[] } = {
  kprobe: syscallFunctions,
  fentry: syscallFunctions,
  tracepoint: (syscall) => [`syscalls/sys_enter_${syscallEntryName(syscall)}`],
  raw_tracepoint: () => ["sys_enter"],
};

export interface PassedOver {
  readonly hook: SyscallHook;
  readonly reason: BpfError;
}

/** An object whose one loaded program is attached to a system call's entry. */
export interface WatchedSyscall {
  readonly object: BpfObject;
  readonly link: Attachment;
  readonly hook: SyscallHook;
  /** The name of the program that was loaded. */
  readonly program: string;
  readonly passedOver: readonly PassedOver[];
}

/**
 * Loads and attaches. `ready` is called with the loaded object before it is attached: what must be there at the first
 * event, such as a perf buffer, is made in it. Throws what the last hook failed with where none works; an error of the
 * object itself, or of `ready`, ends the search at once.
 */
export function watchSyscall(
  spec: ObjectSpec,
  syscall: string,
  hooks: readonly SyscallHook[] = SYSCALL_HOOKS,
  ready: (object: BpfObject) => void = () => {},
): WatchedSyscall {
  const passedOver: PassedOver[] = [];
  for (const hook of hooks) {
    for (const target of TARGETS[hook](syscall)) {
      try {
        return { ...attachTo(spec, hook, target, ready), hook, passedOver };
      } catch (error) {
        if (!isReason(error)) throw error;
        // Of several names the first one's failure says most: the others are what older kernels call it.
        if (passedOver.at(-1)?.hook !== hook) passedOver.push({ hook, reason: error });
      }
    }
  }
  throw passedOver.at(-1)?.reason ?? new Error("No hook was asked for");
}

/** Whether another hook may do better: not where the object is at fault. */
function isReason(error: unknown): error is BpfError {
  return error instanceof BpfError && error.class !== "object" && error.class !== "runtime";
}

function attachTo(spec: ObjectSpec, hook: SyscallHook, target: string, ready: (object: BpfObject) => void) {
  const chosen = spec.copy();
  for (const program of chosen.programs.values()) {
    program.autoload = program.hook === hook;
    if (program.autoload) program.target = target;
  }
  const object = BpfObject.load(chosen);
  try {
    ready(object);
    const [program] = [...object.programs.values()];
    if (!program) throw new Error(`Object ${spec.name} has no program for ${hook}`);
    return { object, program: program.name, link: program.attach() };
  } catch (error) {
    object.close();
    throw error;
  }
}
