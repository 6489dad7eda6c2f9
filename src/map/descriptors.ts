// Maps into which user space puts descriptors (fd_array_map_update_elem in kernel/bpf/arraymap.c and its like): the
// kernel keeps what is behind them, and gives back its number, or nothing at all.

import { PermissionError, UnsupportedError } from "elf-loader";
import {
  BPF_ANY,
  EACCES,
  EINVAL,
  ELOOP,
  ENAMETOOLONG,
  ENOENT,
  ENOSYS,
  ENOTDIR,
  ESRCH,
  O_CLOEXEC,
  O_PATH,
} from "elf-loader/uapi";
import { forbiddenByMode } from "../host/file-mode.ts";
import { errnoName, kernelError } from "../host/kernel-error.ts";
import { mapGetFdById, objGet, progGetFdById } from "../sys/bpf.ts";
import { Fd } from "../sys/fd.ts";
import { open, syscall } from "../sys/libc.ts";
import { SYSCALL_NUMBERS } from "../sys/syscall-numbers.ts";
import { type Codec, indexCodec, indexKey, scratch } from "./codec.ts";
import { BpfMap } from "./map.ts";
import { pinnedError } from "./pin-error.ts";

/** A descriptor, or what owns one: a program, a map. */
export type HasFd = number | Fd | { readonly fd: Fd };

const DESCRIPTORS = 2 ** 31;

/** Throws TypeError where it is nothing of the kind; a closed one's number is -1, which the kernel refuses (EBADF). */
export function fdOf(from: HasFd): number {
  const { fd, number } = Object(from) as { fd?: Fd; number?: number };
  const found = typeof from === "number" ? from : (fd?.number ?? number);
  if (Number.isInteger(found) && Math.abs(found as number) < DESCRIPTORS) return found as number;
  const given = typeof from === "object" ? "an object without one" : String(from);
  throw new TypeError(`Cannot use ${given} as a descriptor: expected a number, or what has one, such as a map`);
}

/** What a person names by the kernel's number or the path of its pin, opened; the caller closes it. */
export function openNamed(text: string, what: "map" | "program"): Fd {
  const subject = `${what} ${text}`;
  if (/^\d+$/.test(text)) {
    const [call, open] = BY_NUMBER[what];
    const result = open(Number(text));
    if (result >= 0) return new Fd(result);
    const none = result === -ENOENT ? { likely: "there is none of that number" } : {};
    throw kernelError(result, { doing: `open ${subject}`, call, subject, needs: ["CAP_SYS_ADMIN"], ...none });
  }
  if (!text.includes("/"))
    throw new TypeError(`Cannot read ${JSON.stringify(text)} as a ${what}: expected its number or the path of its pin`);
  const result = objGet(text);
  if (result >= 0) return new Fd(result);
  throw pinnedError(result, `open a ${what}`, text);
}

const BY_NUMBER = {
  map: ["bpf(BPF_MAP_GET_FD_BY_ID)", mapGetFdById],
  program: ["bpf(BPF_PROG_GET_FD_BY_ID)", progGetFdById],
} as const;

/** Why a path leads nowhere. */
const NOWHERE: { readonly [errno: number]: string } = {
  [ENOENT]: "there is no such file or folder",
  [ENOTDIR]: "a part of the path is no folder",
  [ELOOP]: "its links lead in a circle",
  [ENAMETOOLONG]: "the path, or a name in it, is too long",
};

/** A file or folder that a person names (O_PATH: open() itself would wait for a FIFO's writer); the caller closes it. */
export function openPath(path: string): Fd {
  const result = open(path, O_PATH | O_CLOEXEC);
  if (result >= 0) return new Fd(result);
  const context = { doing: `open ${path}`, call: "open()", subject: path, needs: [] };
  const forbidden = result === -EACCES ? forbiddenByMode(path, 0) : undefined;
  if (forbidden) {
    const details = { call: context.call, errno: errnoName(result), subject: path, ...forbidden };
    throw new PermissionError(`Cannot open ${path}: open() gave EACCES`, details);
  }
  const likely = NOWHERE[-result];
  throw kernelError(result, { ...context, ...(likely ? { likely, action: "look at the path" } : {}) });
}

/** The largest number a process can have: what is larger the kernel would cut off (pid_t). */
const LARGEST_PID = 2 ** 31 - 1;

/** What pidfd_open() says of a number; of a thread's it says ENOENT since 6.15. */
const THREAD = "it is the number of a thread; name its process";
const NO_PROCESS: { readonly [errno: number]: string } = {
  [ESRCH]: "there is none of that number",
  [EINVAL]: THREAD,
  [ENOENT]: THREAD,
  [ENOSYS]: "pidfd_open() came with kernel 5.3",
};

/** A process that a person names by its number, as a pidfd (5.3); the caller closes it. */
export function openProcess(text: string): Fd {
  if (!/^[1-9]\d*$/.test(text))
    throw new TypeError(`Cannot read ${JSON.stringify(text)} as a process: expected its number`);
  const pid = Number(text);
  const result = pid > LARGEST_PID ? -ESRCH : syscall(SYSCALL_NUMBERS.get("pidfd_open") ?? -1, pid, 0);
  if (result >= 0) return new Fd(result);
  const subject = `process ${text}`;
  const context = { doing: `open ${subject}`, call: "pidfd_open()", subject, needs: [] };
  const likely = NO_PROCESS[-result];
  throw kernelError(result, { ...context, ...(likely ? { likely } : {}) });
}

/** Why what is in a map cannot be named by text. */
export function onlyByItsOwner(map: BpfMap, what: string): UnsupportedError {
  const likely = `only the process that has a ${what} can name it`;
  return new UnsupportedError(`Cannot name a ${what} for map ${map.name}`, { subject: `map ${map.name}`, likely });
}

/** The bytes of a descriptor as value of 4 or 8 bytes. */
export function fdValue(from: HasFd, size: number): Uint8Array {
  const value = scratch(size);
  value.u32[0] = fdOf(from);
  return value.u8.subarray(0, size);
}

/** Slots by index, each empty or with something of the kernel in it: sockets, where the class says nothing else. */
export class BpfDescriptorArray extends BpfMap {
  protected override makeKeyCodec(): Codec {
    return indexCodec as Codec;
  }

  get length(): number {
    return this.spec.maxEntries;
  }

  /**
   * Throws TypeError where it has no descriptor, E2BIG beyond the end, EBADF or EINVAL where the descriptor is of another
   * kind than the map takes.
   */
  set(index: number, what: HasFd, flags: number = BPF_ANY): this {
    this.update(indexKey(index), fdValue(what, this.spec.valueSize), flags);
    return this;
  }

  override valueFrom(_text: string): unknown {
    throw onlyByItsOwner(this, "socket");
  }

  /** Empties a slot; whether something was in it. */
  delete(index: number): boolean {
    return this.remove(indexKey(index));
  }
}

/** The same where the kernel tells the number of what is in a slot. */
export class BpfNumberedArray extends BpfDescriptorArray {
  /** The kernel's number of what is in a slot, undefined where it is empty. */
  get(index: number): number | undefined {
    const value = scratch(this.spec.valueSize);
    return this.lookup(indexKey(index), value.u8) ? (indexCodec.decode(value, 0) as number) : undefined;
  }

  /** Indexes and numbers of the slots that are not empty. */
  *entries(): Generator<[index: number, id: number]> {
    for (let index = 0; index < this.length; index++) {
      const id = this.get(index);
      if (id !== undefined) yield [index, id];
    }
  }
}
