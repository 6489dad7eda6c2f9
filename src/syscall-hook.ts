// One program for every way to watch a system call's entry: the first hook that the running kernel allows.
//
// The object has a program for each hook, with one body; only the chosen one is loaded. Each way is tried for real,
// and what it failed with is kept as the reason why it was passed over.

import { BpfError, type ObjectSpec } from "elf-loader";
import { syscallEntryName, syscallFunctions } from "./host/syscalls.ts";
import { BpfObject, type LoadOptions } from "./object.ts";
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
  options: LoadOptions = {},
): WatchedSyscall {
  const passedOver: PassedOver[] = [];
  for (const hook of hooks) {
    for (const target of TARGETS[hook](syscall)) {
      const watched = tryHook(spec, hook, target, ready, options);
      if (!(watched instanceof BpfError)) return { ...watched, passedOver };
      // Of several names the first one's failure says most: the others are what older kernels call it.
      if (passedOver.at(-1)?.hook !== hook) passedOver.push({ hook, reason: watched });
      if (watched.errno !== "ENOENT") break; // it is not the name
    }
  }
  throw passedOver.at(-1)?.reason ?? new Error("No hook was asked for");
}

type Watched = Omit<WatchedSyscall, "passedOver">;

/** The attached object, or why another hook may do better; throws where none would. */
function tryHook(
  spec: ObjectSpec,
  hook: SyscallHook,
  target: string,
  ready: (object: BpfObject) => void,
  options: LoadOptions,
): Watched | BpfError {
  const object = orReason(() => BpfObject.load(only(spec, hook, target), options));
  if (object instanceof BpfError) return object;
  try {
    ready(object);
    const program = [...object.programs.values()][0];
    if (!program) throw new Error(`Object ${spec.name} has no program for ${hook}`);
    const link = orReason(() => program.attach());
    if (!(link instanceof BpfError)) return { object, link, hook, program: program.name };
    object.close();
    return link;
  } catch (error) {
    object.close();
    throw error;
  }
}

/** The object with only the hook's program to be loaded, for this target. */
function only(spec: ObjectSpec, hook: SyscallHook, target: string): ObjectSpec {
  const chosen = spec.copy();
  for (const program of chosen.programs.values()) {
    program.autoload = program.hook === hook;
    if (program.autoload) program.target = target;
  }
  return chosen;
}

/** An error of the object's bytes would come with every hook: it is thrown. */
function orReason<T>(action: () => T): T | BpfError {
  try {
    return action();
  } catch (error) {
    if (error instanceof BpfError && error.class !== "object") return error;
    throw error;
  }
}
