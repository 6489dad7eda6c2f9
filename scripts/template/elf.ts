// Where a section of an executable lies (elf(5)): ELF64, little-endian.

/** Offsets in the file, and the address that the first of them is loaded at. */
export interface Section {
  readonly start: number;
  readonly end: number;
  readonly address: number;
}

/** The section with a name, from the section headers. Throws when there is none. */
export function section(bytes: Buffer, wanted: string): Section {
  const [headers, size, count] = [Number(bytes.readBigUInt64LE(40)), bytes.readUInt16LE(58), bytes.readUInt16LE(60)];
  const at = (index: number, field: number) => Number(bytes.readBigUInt64LE(headers + index * size + field));
  const names = at(bytes.readUInt16LE(62), 24);
  for (let index = 0; index < count; index++) {
    const name = names + bytes.readUInt32LE(headers + index * size);
    if (bytes.toString("latin1", name, bytes.indexOf(0, name)) !== wanted) continue;
    return { start: at(index, 24), end: at(index, 24) + at(index, 32), address: at(index, 16) };
  }
  throw new Error(`Cannot harden Bun: it has no section ${wanted}`);
}

/** e_machine (elf.h): 62 is EM_X86_64, 183 EM_AARCH64. */
export const machineOf = (bytes: Buffer): number => bytes.readUInt16LE(18);

export const unknownMachine = (machine: number, known: object): Error =>
  new Error(`Cannot harden Bun: e_machine is ${machine}, known are ${Object.keys(known)}`);
