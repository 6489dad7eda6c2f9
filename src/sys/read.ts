// read(2) of a descriptor to its end: files that the kernel writes as they are read.

import { Fd } from "./fd.ts";
import { readInto } from "./libc.ts";

const CHUNK = 64 << 10;

/** All that is left to read, or -errno. */
export function readWhole(fd: number): Uint8Array | number {
  let bytes = new Uint8Array(CHUNK);
  let length = 0;
  for (;;) {
    if (length === bytes.length) {
      const larger = new Uint8Array(bytes.length * 2);
      larger.set(bytes);
      bytes = larger;
    }
    const got = readInto(fd, bytes.subarray(length));
    if (got < 0) return got;
    if (got === 0) return bytes.subarray(0, length);
    length += got;
  }
}

/** All text of a file that was just opened, and is closed again; or -errno, be it of the opening (`fd` below 0). */
export function readText(fd: number): string | number {
  if (fd < 0) return fd;
  using file = new Fd(fd);
  const text = readWhole(file.number);
  return typeof text === "number" ? text : new TextDecoder().decode(text);
}
