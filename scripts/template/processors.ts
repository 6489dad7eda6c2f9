// Has the engine believe that there are two processors, however many there are.
//
// It starts threads by their number, for garbage collection and compilation: with two processors seven or eight in all,
// with eight and more fifteen or sixteen. A container's limit counts each, every one costs memory, and nothing that we do
// keeps more of them busy. Others than the engine, our own code among them, see the real number.
//
// WTF::numberOfProcessorCores() keeps the number in a variable; where that is not positive yet it asks the environment for
// WTF_numberOfProcessorCores, then the kernel (WebKit, Source/WTF/wtf/NumberOfCores.cpp). The instruction that loads the
// variable becomes one that loads 2. It stands right before the first use of that variable's name.

import { machineOf, type Section, section, unknownMachine } from "./elf.ts";

const NAME = "WTF_numberOfProcessorCores";

/** How a machine's code looks there, in latin1, from the load on, and what the load becomes. */
interface Code {
  readonly pattern: RegExp;
  /** The address that the instructions at the end of a match make, loaded where the match ends at `end`. */
  name(text: Buffer, end: number, address: number): number;
  readonly two: readonly number[];
}

const ADD_LENGTH = 4;

const CODE: Record<number, Code> = {
  // mov eax, [rip+variable]; test eax, eax; jle over a ret, or jg to one; maybe a prologue; mov edi, NAME
  62: {
    pattern: /\x8b\x05....\x85\xc0(?:\x7e\x01\xc3|\x0f\x8f....).{0,16}?\xbf..../gs,
    name: (text, end) => text.readUInt32LE(end - 4),
    two: [0xb8, 2, 0, 0, 0, 0x90], // mov eax, 2; nop
  },
  // ldr w0, [xN, variable]; cmp w0, #0; b.gt; adrp x0, NAME's page; add x0, x0, NAME's place in it
  183: {
    pattern: /..[\x40-\x7f]\xb9\x1f\x00\x00\x71..[\x00-\xff]\x54..[\x00-\xff][\x90\xb0\xd0\xf0]..[\x00-\x3f]\x91/gs,
    name(text, end, address) {
      const [adrp, add] = [text.readUInt32LE(end - 8), text.readUInt32LE(end - ADD_LENGTH)];
      const pages = (((((adrp >>> 5) & 0x7ffff) << 2) | ((adrp >>> 29) & 3)) << 11) >> 11;
      const page = Math.floor((address - 8) / 4096) + pages;
      return page * 4096 + ((add >>> 10) & 0xfff);
    },
    two: [0x40, 0x00, 0x80, 0x52], // mov w0, #2
  },
};

/** Changes the bytes of a Bun executable. Throws an Error when this is not the Bun that it was written for. */
export function limitProcessors(bytes: Buffer): void {
  const machine = machineOf(bytes);
  const code = CODE[machine];
  if (!code) throw unknownMachine(machine, CODE);
  const name = addressOf(bytes, section(bytes, ".rodata"));
  const { start, end, address } = section(bytes, ".text");
  const text = bytes.subarray(start, end);
  const found = [...text.toString("latin1").matchAll(code.pattern)].filter(({ index, 0: match }) => {
    const after = index + match.length;
    return code.name(text, after, address + after) === name;
  });
  const [match, ...others] = found;
  if (!match || others.length > 0)
    throw new Error(`Cannot harden Bun: ${found.length} places read ${NAME}, expected 1`);
  text.set(code.two, match.index);
}

/** Where the variable's name is loaded. */
function addressOf(bytes: Buffer, { start, end, address }: Section): number {
  const at = bytes.subarray(start, end).indexOf(`\0${NAME}\0`, 0, "latin1");
  if (at < 0) throw new Error(`Cannot harden Bun: it does not hold the name ${NAME}`);
  return address + at + 1;
}
