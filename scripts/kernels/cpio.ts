// Writes the archive the kernel unpacks as its first file system: cpio "newc", uncompressed.
// Format: Documentation/driver-api/early-userspace/buffer-format.rst.

import { closeSync, openSync, writeSync } from "node:fs";

const S_IFDIR = 0o040000;
const S_IFCHR = 0o020000;
const S_IFREG = 0o100000;
const S_IFLNK = 0o120000;

const pad4 = (length: number) => (4 - (length % 4)) % 4;

/** An archive under way. Paths are relative to the root, without a leading slash; folders are made as needed. */
export class CpioWriter {
  readonly #fd: number;
  readonly #folders = new Set<string>();
  #inode = 0;

  /** What is there already stays where more is to be added: the kernel unpacks archives that follow each other. */
  constructor(path: string, add = false) {
    this.#fd = openSync(path, add ? "a" : "w");
  }

  file(path: string, data: Uint8Array | string, mode = 0o644): void {
    this.#entry(path, S_IFREG | mode, typeof data === "string" ? Buffer.from(data) : data);
  }

  symlink(path: string, target: string): void {
    this.#entry(path, S_IFLNK | 0o777, Buffer.from(target));
  }

  /** A character device: the kernel opens /dev/console before any init could mount devtmpfs. */
  device(path: string, major: number, minor: number): void {
    this.#entry(path, S_IFCHR | 0o600, new Uint8Array(), major, minor);
  }

  folder(path: string): void {
    if (path === "" || this.#folders.has(path)) return;
    this.#folders.add(path);
    this.#entry(path, S_IFDIR | 0o755, new Uint8Array());
  }

  close(): void {
    this.#header("TRAILER!!!", 0, 0, 0, 0);
    closeSync(this.#fd);
  }

  #entry(path: string, mode: number, data: Uint8Array, major = 0, minor = 0): void {
    this.folder(path.split("/").slice(0, -1).join("/"));
    this.#header(path, mode, data.length, major, minor);
    writeAll(this.#fd, data);
    writeAll(this.#fd, new Uint8Array(pad4(data.length)));
  }

  /** 110 bytes of hexadecimal fields, the name with its NUL, then zeros up to a multiple of four. */
  #header(path: string, mode: number, size: number, major: number, minor: number): void {
    const fields = [++this.#inode, mode, 0, 0, 1, 0, size, 0, 0, major, minor, path.length + 1, 0];
    const header = `070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}${path}\0`;
    writeAll(this.#fd, Buffer.from(header + "\0".repeat(pad4(header.length))));
  }
}

function writeAll(fd: number, data: Uint8Array): void {
  for (let at = 0; at < data.length; ) at += writeSync(fd, data, at);
}
