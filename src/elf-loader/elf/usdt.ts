/**
 * Static markers of executables (USDT): where they are and where their arguments are found. Source: the notes of
 * SystemTap's sys/sdt.h, their arguments in the assembler's own notation (sourceware.org/systemtap/wiki/UserSpaceProbe
 * Implementation); the records that programs read them by are those of libbpf's usdt.bpf.h.
 */
import { Reader } from "../bytes/reader.ts";
import { stringToBytes } from "../bytes/text.ts";
import { EM_AARCH64, EM_X86_64 } from "../uapi/elf.ts";
import type { Layout } from "../uapi/layout.ts";
import { user_pt_regs } from "../uapi/registers-arm64.ts";
import { pt_regs } from "../uapi/registers-x86-64.ts";
import type { Executable } from "./executable.ts";

/** A place that a marker is in; one marker may be in several. */
export interface UsdtMarker {
  readonly provider: string;
  readonly name: string;
  /** `-4@%edi 8@-16(%rbp)`: size in bytes, negative where signed, and where it is. */
  readonly arguments: string;
  /** Byte offset in the file. */
  readonly offset: number;
  /** Where the instruction is in memory, for executables that are not moved. */
  readonly address: number;
  /** Byte offset in the file of the counter of those who look; 0 where it has none. */
  readonly semaphore: number;
}

const NT_STAPSDT = 3;
const ADDRESS = 8;

/** All markers, in the order of their notes. @throws ObjectError */
export function* usdtMarkers(executable: Executable): Generator<UsdtMarker> {
  const base = executable.addressOf(".stapsdt.base");
  for (const { name, type, content } of executable.notes(".note.stapsdt")) {
    if (name !== "stapsdt" || type !== NT_STAPSDT) continue;
    const note = new Reader(content, ".note.stapsdt", true);
    // Where the linker moved the section .stapsdt.base afterwards, it moved the rest as far.
    const written = note.u64(ADDRESS, "a marker's base");
    const moved = base === undefined || written === 0 ? 0 : base - written;
    const address = note.u64(0, "a marker's address") + moved;
    const counter = note.u64(2 * ADDRESS, "a marker's semaphore");
    const provider = note.name(3 * ADDRESS, "a marker's provider");
    const nameAt = 3 * ADDRESS + bytesOf(provider);
    const marker = note.name(nameAt, "a marker's name");
    yield {
      provider,
      name: marker,
      arguments: note.name(nameAt + bytesOf(marker), "a marker's arguments"),
      offset: executable.fileOffset(address, true) ?? address,
      address,
      semaphore: counter === 0 ? 0 : (executable.fileOffset(counter + moved, false) ?? 0),
    };
  }
}

const bytesOf = (text: string): number => stringToBytes(text).length + 1;

/** enum __bpf_usdt_arg_type; SIB (a base, an index times a scale, an offset) since libbpf 1.7. */
const ARGUMENT = { constant: 0, register: 1, memory: 2, indexed: 3 };

interface Argument {
  readonly kind: number;
  readonly value: bigint;
  readonly register?: number;
  readonly index?: number;
  /** As a power of two. */
  readonly scale?: number;
}

/** Why an argument cannot be read: its text. */
export class UnknownArgument extends Error {}

/** What a machine calls its registers and memory. */
interface Notation {
  readonly offsets: ReadonlyMap<string, number>;
  read(text: string, register: (name: string) => number): Argument | undefined;
}

const X86_NARROW = ["ax", "bx", "cx", "dx"];
/** rax is eax, ax, al; rsi is esi, si, sil; r8 is r8d, r8w, r8b. */
function x86Names(name: string): string[] {
  if (/^r\d+$/.test(name)) return [name, `${name}d`, `${name}w`, `${name}b`];
  const short = name.slice(1);
  return [name, `e${short}`, short, X86_NARROW.includes(short) ? `${short[0]}l` : `${short}l`];
}

const x86: Notation = {
  offsets: new Map(
    Object.entries((pt_regs as Layout).fields).flatMap(([name, [offset]]) =>
      x86Names(name).map((alias) => [alias, offset] as const),
    ),
  ),
  read(text, register) {
    const [, constant] = /^\$(-?\d+)$/.exec(text) ?? [];
    if (constant !== undefined) return { kind: ARGUMENT.constant, value: BigInt(constant) };
    const [, plain] = /^%(\w+)$/.exec(text) ?? [];
    if (plain !== undefined) return { kind: ARGUMENT.register, value: 0n, register: register(plain) };
    const memory = /^(-?\d+)?\(%(\w+)(?:,%(\w+)(?:,([1248]))?)?\)$/.exec(text);
    if (!memory) return undefined;
    const [, offset = "0", base = "", index, scale = "1"] = memory;
    const place = { value: BigInt(offset), register: register(base) };
    if (index === undefined) return { kind: ARGUMENT.memory, ...place };
    return { kind: ARGUMENT.indexed, ...place, index: register(index), scale: Math.log2(Number(scale)) };
  },
};

const ARM64_REGISTERS = 31;
const arm64: Notation = {
  offsets: new Map([
    ...Array.from({ length: ARM64_REGISTERS }, (_, i) => [`x${i}`, i * 8] as const),
    ["sp", user_pt_regs.fields.sp?.[0] ?? 0] as const,
  ]),
  read(text, register) {
    if (/^-?\d+$/.test(text)) return { kind: ARGUMENT.constant, value: BigInt(text) };
    const [, base, offset = "0"] = /^\[(\w+)(?:,(-?\d+))?\]$/.exec(text) ?? [];
    if (base) return { kind: ARGUMENT.memory, value: BigInt(offset), register: register(base) };
    return /^\w+$/.test(text) ? { kind: ARGUMENT.register, value: 0n, register: register(text) } : undefined;
  },
};

const NOTATIONS: { readonly [machine: number]: Notation } = { [EM_X86_64]: x86, [EM_AARCH64]: arm64 };

/** struct __bpf_usdt_spec: twelve arguments of 16 bytes, the cookie, and how many there are. */
const SPEC = { argument: 16, most: 12, cookie: 12 * 16, count: 12 * 16 + 8, size: 12 * 16 + 16 };
/** struct __bpf_usdt_arg_spec; the index is 12 bits, the scale the 4 above. */
const AT = { value: 0, kind: 8, index: 9, register: 12, signed: 14, shift: 15 };

/** Bytes of a record of arguments. */
export const USDT_SPEC_SIZE = SPEC.size;

/** The record by which a program finds a marker's arguments. @throws UnknownArgument */
export function usdtSpec(marker: UsdtMarker, machine: number, cookie: bigint): Uint8Array {
  const notation = NOTATIONS[machine];
  if (!notation) throw new UnknownArgument(`markers of machine ${machine}`);
  const bytes = new Uint8Array(SPEC.size);
  const view = new DataView(bytes.buffer);
  const written = argumentsOf(marker);
  if (written.length > SPEC.most) throw new UnknownArgument(`${written.length} arguments`);
  for (const [i, whole] of written.entries()) {
    const [, size = "", text = ""] = /^(-?\d+)@(.+)$/s.exec(whole) ?? [];
    const bits = Math.abs(Number(size)) * 8;
    const register = (name: string) => {
      const offset = notation.offsets.get(name);
      if (offset === undefined) throw new UnknownArgument(whole);
      return offset;
    };
    const argument = [8, 16, 32, 64].includes(bits) ? notation.read(text, register) : undefined;
    if (!argument) throw new UnknownArgument(whole);
    writeArgument(view, i * SPEC.argument, argument, { signed: size.startsWith("-"), bits });
  }
  view.setBigUint64(SPEC.cookie, BigInt.asUintN(64, cookie), true);
  view.setInt16(SPEC.count, written.length, true);
  return bytes;
}

/** One argument each; there may be spaces within one, as assembly has them. */
function argumentsOf(marker: UsdtMarker): string[] {
  const text = marker.arguments.replace(/\s+/g, " ").trim();
  const close = text.replace(/ ?([@,([]) ?/g, "$1").replace(/ (?=[)\]])/g, "");
  return close === "" ? [] : close.split(" ");
}

function writeArgument(
  view: DataView,
  at: number,
  argument: Argument,
  { signed, bits }: { signed: boolean; bits: number },
) {
  const { kind, value, register = 0, index = 0, scale = 0 } = argument;
  view.setBigInt64(at + AT.value, value, true);
  view.setUint8(at + AT.kind, kind);
  view.setUint16(at + AT.index, index | (scale << 12), true);
  view.setInt16(at + AT.register, register, true);
  view.setUint8(at + AT.signed, Number(signed));
  view.setUint8(at + AT.shift, 64 - bits);
}
