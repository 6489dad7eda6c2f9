// Who else uses a folder: each keeps a shared lock of it (F_OFD_SETLK of fcntl(2), 3.15), which goes with the process.

import {
  F_OFD_GETLK,
  F_OFD_SETLK,
  F_RDLCK,
  F_UNLCK,
  F_WRLCK,
  flock,
  O_CLOEXEC,
  O_NONBLOCK,
  O_RDONLY,
} from "elf-loader/uapi";
import { Fd } from "./fd.ts";
import { open, syscall } from "./libc.ts";
import { encodeStruct, readField } from "./struct.ts";
import { SYSCALL_NUMBERS } from "./syscall-numbers.ts";

const NR_FCNTL = SYSCALL_NUMBERS.get("fcntl") ?? -1;

export class FolderLock extends Fd {
  /** Not yet held; undefined where the folder cannot be read. */
  static open(path: string): FolderLock | undefined {
    const fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    return fd < 0 ? undefined : new FolderLock(fd);
  }

  /** All of the folder's bytes, of which it has none: struct flock, and what the kernel says of it. */
  #lock(command: number, type: number): { result: number; type: number } {
    const request = encodeStruct(flock, { l_type: type }).bytes;
    const result = syscall(NR_FCNTL, this.number, command, request);
    return { result, type: readField(flock, request, "l_type") };
  }

  take(): void {
    this.#lock(F_OFD_SETLK, F_RDLCK);
  }

  release(): void {
    this.#lock(F_OFD_SETLK, F_UNLCK);
  }

  /** Whether anybody else holds it. */
  get isShared(): boolean {
    const { result, type } = this.#lock(F_OFD_GETLK, F_WRLCK);
    return result >= 0 && type !== F_UNLCK;
  }
}
