/**
 * How a struct is written in C so that the compiler puts its members where BTF says: whether it is packed, and what
 * stands in the gaps. Rules of the System V ABI for C, which clang follows for BPF and the architectures of Linux.
 */
import { type Btf, MAX_DEPTH } from "../btf.ts";
import type { BtfComposite, BtfMember } from "../types.ts";

const POINTER_SIZE = 8;

/** A member with the unnamed bit-fields before it. */
export interface LaidOut {
  /** Declarations such as `long: 64;`. */
  readonly padding: readonly string[];
  /** undefined at the end of the struct. */
  readonly member: BtfMember | undefined;
}

export interface Layout {
  readonly packed: boolean;
  readonly members: readonly LaidOut[];
}

export class LayoutFinder {
  readonly #btf: Btf;
  /** By id. */
  readonly #alignments: (number | undefined)[];

  constructor(btf: Btf) {
    this.#btf = btf;
    this.#alignments = new Array(btf.typeCount);
  }

  /** Bytes, as the compiler would align a type that is written as `layoutOf` says. */
  alignOf(id: number, depth = 0): number {
    const resolved = this.#btf.resolve(id);
    const known = this.#alignments[resolved];
    if (known !== undefined) return known;
    if (depth > MAX_DEPTH) throw this.#btf.error(`Cannot align type ${id}: it nests too deep`, id);
    const alignment = this.#compute(resolved, depth);
    this.#alignments[resolved] = alignment;
    return alignment;
  }

  #compute(id: number, depth: number): number {
    const type = this.#btf.type(id);
    if (type.kind === "array") return this.alignOf(type.type, depth + 1);
    if (type.kind === "struct" || type.kind === "union")
      return this.#isPacked(type, depth) ? 1 : this.#most(type, depth);
    // 16 bytes: __int128 and long double are aligned to themselves.
    if ("size" in type) return type.size === 0 ? 1 : largestPowerOfTwo(type.size);
    return POINTER_SIZE;
  }

  #most(composite: BtfComposite, depth: number): number {
    return Math.max(1, ...composite.members.map(({ type }) => this.alignOf(type, depth + 1)));
  }

  /** A member off its alignment, or a size off the whole's, is only to be had by packing. */
  #isPacked(composite: BtfComposite, depth: number): boolean {
    if (composite.size % this.#most(composite, depth) !== 0) return true;
    return composite.members.some((member) => {
      const bits = this.alignOf(member.type, depth + 1) * 8;
      if (member.bitSize === 0) return member.bitOffset % bits !== 0;
      const unit = this.#btf.sizeOf(member.type) * 8;
      return Math.floor(member.bitOffset / unit) !== Math.floor((member.bitOffset + member.bitSize - 1) / unit);
    });
  }

  layoutOf(composite: BtfComposite): Layout {
    const packed = this.#isPacked(composite, 0);
    if (composite.kind === "union") return { packed, members: this.#unionMembers(composite, packed) };
    const members: LaidOut[] = [];
    let end = 0;
    for (const member of composite.members) {
      members.push({ padding: this.#gap(member, end, packed), member });
      end = member.bitOffset + (member.bitSize || this.#btf.sizeOf(member.type) * 8);
    }
    members.push({ padding: this.#tail(composite, end, packed), member: undefined });
    return { packed, members };
  }

  /** All of a union begin at 0; where it is larger than each of them, one more member fills it. */
  #unionMembers(composite: BtfComposite, packed: boolean): LaidOut[] {
    const sizes = composite.members.map(({ type, bitSize }) =>
      bitSize > 0 ? Math.ceil(bitSize / 8) : this.#btf.sizeOf(type),
    );
    const alignment = packed ? 1 : this.#most(composite, 0);
    const natural = Math.ceil(Math.max(0, ...sizes) / alignment) * alignment;
    const filler = natural < composite.size ? [`char __size[${composite.size}];`] : [];
    return [...composite.members.map((member) => ({ padding: [], member })), { padding: filler, member: undefined }];
  }

  /** What must stand between the end of a member and the next one, nothing where the compiler puts it there by itself. */
  #gap({ type, bitOffset, bitSize }: BtfMember, end: number, packed: boolean): string[] {
    if (bitSize === 0) {
      const alignment = packed ? 8 : this.alignOf(type) * 8;
      return roundUp(end, alignment) === bitOffset ? [] : pad(end, bitOffset);
    }
    const unit = this.#btf.sizeOf(type) * 8;
    const fits = packed || Math.floor(end / unit) === Math.floor((end + bitSize - 1) / unit);
    return (fits ? end : roundUp(end, unit)) === bitOffset ? [] : pad(end, bitOffset);
  }

  #tail(composite: BtfComposite, end: number, packed: boolean): string[] {
    const alignment = packed ? 8 : this.#most(composite, 0) * 8;
    return roundUp(end, alignment) === composite.size * 8 ? [] : pad(end, composite.size * 8);
  }
}

const roundUp = (bits: number, to: number) => Math.ceil(bits / to) * to;

const UNITS = [
  ["long", 64],
  ["int", 32],
  ["short", 16],
  ["char", 8],
] as const;

/** Most declarations of one gap: a longer one is an array. */
const MAX_PADDING = 16;

/** Unnamed bit-fields over [from, to), each at a place where its type may be. */
function pad(from: number, to: number): string[] {
  const padding: string[] = [];
  let at = from;
  while (at < to) {
    if (padding.length >= MAX_PADDING && at % 8 === 0 && to - at >= 8) {
      const bytes = Math.floor((to - at) / 8);
      padding.push(`char __gap_${at / 8}[${bytes}];`);
      at += bytes * 8;
      continue;
    }
    const [name, bits] = UNITS.find(([, size]) => at % size === 0 && at + size <= to) ?? ["char", bitsToByte(at, to)];
    padding.push(`${name}: ${bits};`);
    at += bits;
  }
  return padding;
}

const bitsToByte = (from: number, to: number) => Math.min(to, roundUp(from + 1, 8)) - from;

function largestPowerOfTwo(size: number): number {
  return size & -size;
}
