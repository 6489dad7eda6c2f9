// The types (BTF) of a guest's kernel without booting it: out of the vmlinux that is packed in its image. Source:
// Documentation/arch/x86/boot.rst (setup_sects, payload_offset, payload_length), lib/decompress_unlz4.c.

import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseBtf } from "elf-loader";
import { CACHE, kernelOf } from "./download.ts";
import type { Guest } from "./table.ts";

/** The raw BTF of an x86-64 guest's kernel, a file in the cache. Throws an Error where its package cannot be had. */
export function kernelBtf(guest: Guest): string {
  const path = join(CACHE, `btf-${guest.id}`);
  if (existsSync(path)) return path;
  const vmlinux = unpackImage(readFileSync(kernelOf(guest).image));
  mkdirSync(CACHE, { recursive: true });
  const unfinished = `${path}.${process.pid}`;
  writeFileSync(unfinished, parseBtf(vmlinux, guest.id).encode());
  renameSync(unfinished, path);
  return path;
}

/** Where the setup header says how long the setup is, and where behind it the packed kernel. */
const HEADER = { setupSectors: 0x1f1, payloadOffset: 0x248, payloadLength: 0x24c };
const SECTOR = 512;
/** Its length unpacked, behind what gzip's formats say themselves. */
const TRAILER = 4;

/** The vmlinux in a bzImage. Throws an Error where it is packed by other means than Debian's cloud kernels are. */
export function unpackImage(image: Buffer): Uint8Array {
  const setup = ((image[HEADER.setupSectors] || 4) + 1) * SECTOR;
  const start = setup + image.readUInt32LE(HEADER.payloadOffset);
  const end = start + image.readUInt32LE(HEADER.payloadLength) - TRAILER;
  const payload = image.subarray(start, end);
  const magic = payload.readUInt32LE(0);
  const unpack = UNPACK[magic];
  if (!unpack) throw new Error(`Cannot unpack a kernel: its format begins with 0x${magic.toString(16)}`);
  return unpack(payload, image.readUInt32LE(end));
}

const UNPACK: { readonly [magic: number]: (packed: Buffer, size: number) => Uint8Array } = {
  4247762216: (packed) => Bun.zstdDecompressSync(packed),
  407642370: unpackLz4,
};

/** LZ4's old frame: the magic, then blocks, each after its length. */
function unpackLz4(packed: Buffer, size: number): Uint8Array {
  const unpacked = new Uint8Array(size);
  let [at, to] = [4, 0];
  while (at < packed.length) {
    const length = packed.readUInt32LE(at);
    to = unpackBlock(packed.subarray(at + 4, at + 4 + length), unpacked, to);
    at += 4 + length;
  }
  return unpacked;
}

/** A block: literals, then a copy of what came before, again and again; the last has literals only. */
function unpackBlock(from: Uint8Array, to: Uint8Array, start: number): number {
  let [at, end] = [0, start];
  /** What four bits say, and where they are all set, bytes behind them. */
  const lengthOf = (nibble: number): number => {
    let length = nibble;
    for (let more = nibble === 15; more; ) {
      const byte = from[at++] ?? 0;
      length += byte;
      more = byte === 255;
    }
    return length;
  };
  while (at < from.length) {
    const token = from[at++] ?? 0;
    const literals = lengthOf(token >> 4);
    to.set(from.subarray(at, at + literals), end);
    at += literals;
    end += literals;
    if (at >= from.length) break;
    const distance = (from[at] ?? 0) | ((from[at + 1] ?? 0) << 8);
    at += 2;
    // Byte by byte: what is copied may overlap what it becomes.
    for (let left = lengthOf(token & 15) + SHORTEST_COPY; left > 0; left--) to[end] = to[end++ - distance] ?? 0;
  }
  return end;
}

const SHORTEST_COPY = 4;
