// Types made up by fast-check: as a model with the layout that C gives them, as BTF, and as values with their bytes in the
// kernel's layout. The layout and the bytes are worked out here, by C's rules, not by the code under test.
import { Btf } from "elf-loader";
import {
  BTF_INT_BOOL,
  BTF_INT_SIGNED,
  BTF_KIND_ARRAY,
  BTF_KIND_CONST,
  BTF_KIND_ENUM,
  BTF_KIND_ENUM64,
  BTF_KIND_FLOAT,
  BTF_KIND_PTR,
  BTF_KIND_STRUCT,
  BTF_KIND_TYPEDEF,
  BTF_KIND_UNION,
} from "elf-loader/uapi";
import fc from "fast-check";
import { BtfBuilder, typeInfo } from "../../src/elf-loader/btf/builder.ts";

export type Order = "little" | "big";

/** A type: its size and alignment in bytes, its BTF, values of it, and where their bits go. */
export interface Model {
  readonly size: number;
  readonly align: number;
  readonly add: (builder: BtfBuilder) => number;
  readonly values: fc.Arbitrary<unknown>;
  readonly put: (bits: Bits, at: number, value: unknown) => void;
  /** Of an integer: a bit-field of so many bits. */
  readonly ofBits?: (bits: number) => Pick<Model, "values" | "put">;
}

/** Bytes written bit by bit: the slow way, which has no cases. */
export class Bits {
  readonly bytes: Uint8Array;
  readonly #order: Order;

  constructor(size: number, order: Order) {
    this.bytes = new Uint8Array(size);
    this.#order = order;
  }

  /** @param at in bits, as BTF counts them: in big-endian order from the most significant one */
  put(at: number, width: number, value: bigint): void {
    for (let i = 0; i < width; i++) {
      const bit = Number((value >> BigInt(this.#order === "little" ? i : width - 1 - i)) & 1n);
      const place = at + i;
      const mask = this.#order === "little" ? 1 << (place & 7) : 0x80 >> (place & 7);
      if (bit) this.bytes[place >> 3] = (this.bytes[place >> 3] as number) | mask;
    }
  }
}

const range = (bits: number, signed: boolean): [bigint, bigint] =>
  signed ? [-(1n << BigInt(bits - 1)), (1n << BigInt(bits - 1)) - 1n] : [0n, (1n << BigInt(bits)) - 1n];

const numbers = (bits: number, signed: boolean) => {
  const [min, max] = range(bits, signed);
  return fc
    .oneof(fc.bigInt({ min, max }), fc.constantFrom(min, max, 0n))
    .map((value) => (bits <= 32 ? Number(value) : value));
};

const putNumber = (width: number) => (bits: Bits, at: number, value: unknown) =>
  bits.put(at, width, BigInt.asUintN(64, BigInt(value as number)));

function integer(name: string, size: number, signed: boolean): Model {
  const ofBits = (bits: number) => ({ values: numbers(bits, signed), put: putNumber(bits) });
  const encoding = signed ? BTF_INT_SIGNED : 0;
  return { size, align: size, add: (builder) => builder.addInt(name, size, encoding), ...ofBits(size * 8), ofBits };
}

const INTEGERS = [
  integer("signed char", 1, true),
  integer("unsigned char", 1, false),
  integer("short", 2, true),
  integer("unsigned short", 2, false),
  integer("int", 4, true),
  integer("unsigned int", 4, false),
  integer("long long", 8, true),
  integer("unsigned long long", 8, false),
];

const boolean: Model = {
  ...{ size: 1, align: 1, values: fc.boolean() },
  add: (builder) => builder.addInt("_Bool", 1, BTF_INT_BOOL),
  put: (bits, at, value) => bits.put(at, 8, value ? 1n : 0n),
};

const pointer: Model = {
  ...{ size: 8, align: 8, values: numbers(64, false), put: putNumber(64) },
  add: (builder) => builder.add("", typeInfo(BTF_KIND_PTR), 0),
};

function floating(size: 4 | 8): Model {
  return {
    ...{ size, align: size, values: size === 4 ? fc.float() : fc.double() },
    add: (builder) => builder.add(size === 4 ? "float" : "double", typeInfo(BTF_KIND_FLOAT), size),
    put(bits, at, value) {
      const view = new DataView(new ArrayBuffer(8));
      if (size === 4) view.setFloat32(0, value as number);
      else view.setFloat64(0, value as number);
      bits.put(at, size * 8, size === 4 ? BigInt(view.getUint32(0)) : view.getBigUint64(0));
    },
  };
}

/** Names are the C program's: each enumerator has one of its own. */
let count = 0;
const unique = (prefix: string) => `${prefix}_${count++}`;

/** Of four bytes or, with a value that needs them, of eight. */
const enumeration: fc.Arbitrary<Model> = fc
  .record({
    wide: fc.boolean(),
    values: fc.uniqueArray(fc.nat({ max: 0x7fff_ffff }), { minLength: 1, maxLength: 4 }),
  })
  .map(({ wide, values }) => {
    const known = values.map((value, i) => ({
      name: unique("VALUE"),
      value: wide && i === 0 ? 2n ** 40n : BigInt(value),
    }));
    const size = wide ? 8 : 4;
    const words = known.map(({ value }) => [Number(value & 0xffff_ffffn), ...(wide ? [Number(value >> 32n)] : [])]);
    const kind = wide ? BTF_KIND_ENUM64 : BTF_KIND_ENUM;
    const name = unique("enumeration");
    return {
      ...{ size, align: size, values: fc.constantFrom(...known.map((entry) => entry.name)) },
      add: (builder: BtfBuilder) =>
        builder.add(
          name,
          typeInfo(kind, known.length),
          size,
          ...known.flatMap((entry, i) => [builder.string(entry.name), ...(words[i] as number[])]),
        ),
      put: (bits: Bits, at: number, value: unknown) =>
        bits.put(at, size * 8, known.find((entry) => entry.name === value)?.value ?? 0n),
    };
  });

const text: fc.Arbitrary<Model> = fc.integer({ min: 1, max: 20 }).map((length) => ({
  ...{
    size: length,
    align: 1,
    values: fc
      .string({ maxLength: length, unit: fc.constantFrom("a", "é", "\udcff", "~") })
      .filter((s) => bytesOf(s).length <= length),
  },
  add: (builder) => {
    const char = builder.addInt("char", 1, BTF_INT_SIGNED);
    return builder.add("", typeInfo(BTF_KIND_ARRAY), 0, char, builder.addInt("int", 4, BTF_INT_SIGNED), length);
  },
  put(bits, at, value) {
    for (const [i, byte] of bytesOf(value as string).entries()) bits.put(at + i * 8, 8, BigInt(byte));
  },
}));

/** UTF-8, but for lone surrogates: those stand for a byte. */
const bytesOf = (value: string): number[] =>
  [...value].flatMap((letter) => (letter === "\udcff" ? [0xff] : [...new TextEncoder().encode(letter)]));

const arrayOf = (of: Model, length: number): Model => ({
  ...{ size: of.size * length, align: of.align },
  values: fc.array(of.values, { minLength: length, maxLength: length }),
  add: (builder) => {
    const element = of.add(builder);
    return builder.add("", typeInfo(BTF_KIND_ARRAY), 0, element, builder.addInt("int", 4, BTF_INT_SIGNED), length);
  },
  put: (bits, at, value) => {
    for (const [i, element] of (value as unknown[]).entries()) of.put(bits, at + i * of.size * 8, element);
  },
});

/** Behind a typedef and a qualifier. */
const disguised = (of: Model): Model => {
  const name = unique("alias");
  return {
    ...of,
    add: (builder) =>
      builder.add("", typeInfo(BTF_KIND_CONST), builder.add(name, typeInfo(BTF_KIND_TYPEDEF), of.add(builder))),
  };
};

interface Part {
  readonly type: Model;
  /** Whether a bit-field, and of how many bits of its type. */
  readonly share: number;
  readonly anonymous: boolean;
}

interface Placed {
  readonly name: string;
  readonly type: Model;
  readonly bitOffset: number;
  readonly bitSize: number;
  /** Members of an anonymous struct are its own. */
  readonly inner?: readonly Placed[];
}

const roundUp = (value: number, to: number) => Math.ceil(value / to) * to;

/** C's rules: each member at the next place that its alignment allows, a bit-field where it does not cross its type. */
function place(parts: readonly Part[], together: boolean): { members: Placed[]; size: number; align: number } {
  const members: Placed[] = [];
  let end = 0;
  let align = 1;
  let size = 0;
  for (const { type, share, anonymous } of parts) {
    const bitSize = type.ofBits && share > 0 ? Math.max(1, Math.round(share * type.size * 8)) : 0;
    const unit = type.size * 8;
    const width = bitSize || unit;
    const crosses = Math.floor(end / unit) !== Math.floor((end + width - 1) / unit);
    let at = bitSize > 0 ? (crosses ? roundUp(end, unit) : end) : roundUp(end, type.align * 8);
    if (together) at = 0;
    const inner = anonymous ? (type as Composite).members : undefined;
    members.push({ name: inner ? "" : unique("m"), type, bitOffset: at, bitSize, ...(inner && { inner }) });
    end = at + width;
    align = Math.max(align, type.align);
    size = Math.max(size, end);
  }
  return { members, size: roundUp(Math.ceil(size / 8), align), align };
}

export interface Composite extends Model {
  readonly name: string;
  readonly members: readonly Placed[];
}

/** The type, or so many bits of it. */
const partOfType = ({ type, bitSize }: Pick<Placed, "type" | "bitSize">) =>
  bitSize > 0 && type.ofBits ? type.ofBits(bitSize) : type;

/** What a decoder gives of members: those of anonymous ones beside the others. */
const memberValues = (members: readonly Placed[]): fc.Arbitrary<[Placed, unknown][]> =>
  fc.tuple(...members.map((member) => partOfType(member).values.map((value): [Placed, unknown] => [member, value])));

function composite(kind: "struct" | "union", parts: readonly Part[], anonymous = false): Composite {
  const { members, size, align } = place(parts, kind === "union");
  const name = anonymous ? "" : unique(kind);
  const put = (bits: Bits, at: number, value: unknown) => {
    const given = value as { [name: string]: unknown };
    for (const { name: member, type, bitOffset, bitSize, inner } of members) {
      const own = inner ? given : given[member];
      if (own === undefined) continue;
      partOfType({ type, bitSize }).put(bits, at + bitOffset, own);
    }
  };
  const all = memberValues(members).map((values) =>
    Object.fromEntries(
      values.flatMap(([{ name: member, inner }, value]) =>
        inner ? Object.entries(value as object) : [[member, value]],
      ),
    ),
  );
  // Of a union one member is written; what the others are is what the bytes say.
  const one = fc
    .nat({ max: members.length - 1 })
    .chain((i) => memberValues([members[i] as Placed]))
    .map(([first]) => {
      const [{ name: member, inner }, value] = first as [Placed, unknown];
      return inner ? (value as object) : { [member]: value };
    });
  return {
    ...{ name, members, size, align, put, values: kind === "union" ? one : all },
    add(builder) {
      const types = members.map(({ type }) => type.add(builder));
      const flag = members.some(({ bitSize }) => bitSize > 0);
      const words = members.flatMap(({ name: member, bitOffset, bitSize }, i) => [
        builder.string(member),
        types[i] as number,
        flag ? (bitSize << 24) | bitOffset : bitOffset,
      ]);
      return builder.add(
        name,
        typeInfo(kind === "struct" ? BTF_KIND_STRUCT : BTF_KIND_UNION, members.length, flag),
        size,
        ...words,
      );
    },
  };
}

const scalar: fc.Arbitrary<Model> = fc.oneof(
  fc.constantFrom(...INTEGERS),
  fc.constantFrom(boolean, pointer, floating(4), floating(8)),
  enumeration,
  text,
);

const partOf = (type: fc.Arbitrary<Model>): fc.Arbitrary<Part> =>
  fc.record({
    type,
    share: fc.oneof(fc.constant(0), fc.double({ min: 0.01, max: 1, noNaN: true })),
    anonymous: fc.constant(false),
  });

const partsOf = (type: fc.Arbitrary<Model>) => fc.array(partOf(type), { minLength: 1, maxLength: 6 });

/** Structs with nested, anonymous and repeated parts, to a depth of three. */
function structs(depth: number): fc.Arbitrary<Composite> {
  const inner: fc.Arbitrary<Model> =
    depth === 0
      ? scalar
      : fc.oneof(
          { weight: 4, arbitrary: scalar },
          { weight: 1, arbitrary: structs(depth - 1) },
          { weight: 1, arbitrary: partsOf(scalar).map((parts) => composite("union", parts)) },
        );
  const any = fc.oneof(
    { weight: 5, arbitrary: inner },
    {
      weight: 1,
      arbitrary: fc.tuple(inner, fc.integer({ min: 1, max: 4 })).map(([of, length]) => arrayOf(of, length)),
    },
    { weight: 1, arbitrary: inner.map(disguised) },
  );
  const anonymous = partsOf(scalar).map((parts) => ({
    type: composite("struct", parts, true),
    share: 0,
    anonymous: true,
  }));
  return fc
    .tuple(partsOf(any), fc.option(anonymous, { nil: undefined, freq: 3 }))
    .map(([parts, extra]) => composite("struct", extra ? [...parts, extra] : parts));
}

export const generatedStruct = structs(2);

/** The BTF of models, in either byte order, and the id of each. */
export function btfOf(models: readonly Model[], order: Order): { btf: Btf; ids: number[] } {
  const builder = new BtfBuilder(Btf.empty(order));
  const ids = models.map((model) => model.add(builder));
  // Through the bytes, as the BTF of an object comes.
  return { btf: Btf.parse(builder.finish().encode()), ids };
}
