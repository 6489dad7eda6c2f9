// Files that the command line names: read whole, or as much as is needed of them, and refused in one line where they are not what they should be.

import { closeSync, constants, fstatSync, openSync, readFileSync, readSync } from "node:fs";
import { basename } from "node:path";
import {
  BpfError,
  BpfRuntimeError,
  type Btf,
  isElf,
  type ObjectSpec,
  parseBtf,
  parseObject,
  type ReadAt,
} from "../index.ts";

/** Far more than any object or BTF there is: what is larger was named by mistake. */
const LARGEST = 256 << 20;

const REASONS: { readonly [errno: string]: string } = {
  ENOENT: "there is no such file",
  EACCES: "this user may not read it",
  EISDIR: "it is a directory",
};

/** What `use` makes of a regular file. Throws BpfRuntimeError where there is none; never waits, as on a pipe that nobody writes to. */
function withFile<T>(path: string, use: (fd: number, size: number) => T): T {
  let fd: number | undefined;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const stats = fstatSync(fd);
    if (stats.isDirectory()) throw Object.assign(new Error(), { code: "EISDIR" });
    if (!stats.isFile()) throw refused(path, "it is no regular file");
    return use(fd, stats.size);
  } catch (error) {
    if (error instanceof BpfError) throw error;
    const errno = (error as NodeJS.ErrnoException).code ?? "an unknown error";
    throw refused(path, REASONS[errno] ?? "it cannot be read", errno);
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/** All bytes. */
function readWhole(path: string, fd: number, size: number): Uint8Array {
  if (size > LARGEST) throw refused(path, `it has ${size} bytes, more than the ${LARGEST} that are read`);
  return readFileSync(fd);
}

/** Bytes from an offset on, no more than there are. */
function readPart(fd: number, size: number, offset: number, length: number): Uint8Array {
  const part = new Uint8Array(Math.max(0, Math.min(length, size - offset)));
  return part.subarray(0, readSync(fd, part, 0, part.length, offset));
}

/** An object, called as its file without `.bpf.o`. Throws ObjectError or BpfRuntimeError. */
export function readObject(path: string): ObjectSpec {
  const bytes = withFile(path, (fd, size) => readWhole(path, fd, size));
  return parseObject(bytes, basename(path).replace(/(\.bpf)?\.o$/, ""));
}

/** Types, raw or in an ELF file of any size. Throws ObjectError or BpfRuntimeError. */
export const readTypes = (path: string, base?: Btf): Btf =>
  withFile(path, (fd, size) => {
    const read: ReadAt = (offset, length) => readPart(fd, size, offset, length);
    return parseBtf(isElf(read) ? read : readWhole(path, fd, size), path, base);
  });

function refused(path: string, likely: string, errno?: string): BpfRuntimeError {
  const gave = errno === undefined ? "" : `: open() gave ${errno}`;
  return new BpfRuntimeError(`Cannot read ${path}${gave}`, {
    ...(errno === undefined ? {} : { call: "open()", errno }),
    subject: path,
    likely,
    action: "name a compiled eBPF object",
  });
}
