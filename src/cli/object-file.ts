// Files that the command line names: read whole, and refused in one line where they are not what they should be.

import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import { BpfRuntimeError, type Btf, type ObjectSpec, parseBtf, parseObject } from "../index.ts";

/** Far more than any object or BTF there is: what is larger was named by mistake. */
const LARGEST = 256 << 20;

const REASONS: { readonly [errno: string]: string } = {
  ENOENT: "there is no such file",
  EACCES: "this user may not read it",
  EISDIR: "it is a directory",
};

/** The bytes of a regular file. Throws BpfRuntimeError; never waits, as on a pipe that nobody writes to. */
function readWhole(path: string): Uint8Array {
  let fd: number | undefined;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const stats = fstatSync(fd);
    if (stats.isDirectory()) throw Object.assign(new Error(), { code: "EISDIR" });
    if (!stats.isFile()) throw refused(path, "it is no regular file");
    if (stats.size > LARGEST) throw refused(path, `it has ${stats.size} bytes, more than the ${LARGEST} that are read`);
    return readFileSync(fd);
  } catch (error) {
    if (error instanceof BpfRuntimeError) throw error;
    const errno = (error as NodeJS.ErrnoException).code ?? "an unknown error";
    throw refused(path, REASONS[errno] ?? "it cannot be read", errno);
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/** An object, called as its file without `.bpf.o`. Throws ObjectError or BpfRuntimeError. */
export const readObject = (path: string): ObjectSpec =>
  parseObject(readWhole(path), basename(path).replace(/(\.bpf)?\.o$/, ""));

/** Types, raw or in an ELF file. Throws ObjectError or BpfRuntimeError. */
export const readTypes = (path: string): Btf => parseBtf(readWhole(path), path);

function refused(path: string, likely: string, errno?: string): BpfRuntimeError {
  const gave = errno === undefined ? "" : `: open() gave ${errno}`;
  return new BpfRuntimeError(`Cannot read ${path}${gave}`, {
    ...(errno === undefined ? {} : { call: "open()", errno }),
    subject: path,
    likely,
    action: "name a compiled eBPF object",
  });
}
