// eBPF objects out of the files that carry them: each is a whole ELF file of machine EM_BPF somewhere in the bytes.

import { createHash } from "node:crypto";
import { lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { ELFCLASS64, ELFDATA2LSB, EM_BPF, EV_CURRENT } from "elf-loader/uapi";

/** What an ELF64 file of this byte order begins with. */
const IDENTIFICATION = Buffer.from([0x7f, 0x45, 0x4c, 0x46, ELFCLASS64, ELFDATA2LSB, EV_CURRENT]);
/** struct elf64_hdr: e_machine, e_shoff, e_shentsize, e_shnum. */
const HEADER = { machine: 18, sections: 40, entrySize: 58, entries: 60, size: 64 };

/** The eBPF objects in a file's bytes. The section table is what an object ends with. */
export function* objectsIn(bytes: Buffer): Generator<Buffer> {
  for (let at = bytes.indexOf(IDENTIFICATION); at >= 0; at = bytes.indexOf(IDENTIFICATION, at + 1)) {
    if (at + HEADER.size > bytes.length || bytes.readUInt16LE(at + HEADER.machine) !== EM_BPF) continue;
    const table = bytes.readUInt16LE(at + HEADER.entrySize) * bytes.readUInt16LE(at + HEADER.entries);
    const end = at + Number(bytes.readBigUInt64LE(at + HEADER.sections)) + table;
    if (end <= bytes.length) yield bytes.subarray(at, end);
  }
}

/** Puts each different object of an unpacked package into `to`, named by the file it was in. How many. */
export function extractObjects(tree: string, to: string): number {
  mkdirSync(to, { recursive: true });
  const seen = new Set<string>();
  for (const name of readdirSync(tree, { recursive: true, encoding: "utf8" }).sort()) {
    const path = join(tree, name);
    if (!lstatSync(path).isFile()) continue;
    const found = [...objectsIn(readFileSync(path))].filter((object) => isNew(object, seen));
    const stem = basename(name).replace(/(\.bpf)?\.o$/, "");
    for (const [index, object] of found.entries())
      writeFileSync(join(to, `${found.length > 1 ? `${stem}.${index + 1}` : stem}.bpf.o`), object);
  }
  return seen.size;
}

function isNew(object: Buffer, seen: Set<string>): boolean {
  const digest = createHash("sha256").update(object).digest("hex");
  return seen.size < seen.add(digest).size;
}
