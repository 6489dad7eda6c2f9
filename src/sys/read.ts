// read(2) of a descriptor to its end: files that the kernel writes as they are read.

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
