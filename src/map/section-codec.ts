// A data section of an object, one's own or somebody else's, as its variables by name (BTF_KIND_DATASEC).

import { type Btf, type BtfDatasec, Memory, ObjectError } from "elf-loader";
import { bytesCodec, type Codec, codecOf, fromItem, parseJson, takingBytes } from "./codec.ts";

interface Variable {
  readonly name: string;
  /** Bytes from the start of the section. */
  readonly offset: number;
  readonly codec: Codec;
}

/** Variables as an object, all of them: who writes a section writes them all. Undefined where the type is no section. */
export function sectionCodec(btf: Btf, typeId: number, size: number): Codec | undefined {
  const section = btf.type(typeId);
  if (section.kind !== "datasec") return undefined;
  const variables = variablesOf(btf, section);
  const checked = (value: unknown): { [name: string]: unknown } => {
    const given = Object(value) as { [name: string]: unknown };
    const missing = variables.find(({ name }) => !Object.hasOwn(given, name));
    const unknown = Object.keys(given).find((name) => !variables.some((variable) => variable.name === name));
    if (missing) throw new TypeError(`Cannot encode ${section.name}: ${missing.name} is missing`);
    if (unknown) throw new TypeError(`Cannot encode ${section.name}: it has no ${unknown}`);
    return given;
  };
  return takingBytes<unknown>({
    size,
    decode: ({ u8 }, at) =>
      Object.fromEntries(
        variables.map(({ name, offset, codec }) => {
          const bytes = u8.slice(at + offset, at + offset + codec.size); // aligned by the copy, as decoders want it
          return [name, codec.decode(Memory.from(bytes), 0)];
        }),
      ),
    encode(value) {
      const given = checked(value);
      const bytes = new Uint8Array(size);
      for (const { name, offset, codec } of variables) bytes.set(codec.encode(given[name]), offset);
      return bytes;
    },
    parse(text) {
      const given = checked(parseJson(text));
      return Object.fromEntries(variables.map(({ name, codec }) => [name, fromItem(codec, given[name])]));
    },
  });
}

function variablesOf(btf: Btf, section: BtfDatasec): Variable[] {
  const names = new Set<string>();
  return section.vars.map(({ type: id, offset, size }) => {
    const variable = btf.type(id);
    const plain = "name" in variable ? variable.name : "";
    const name = names.has(plain) ? `${plain}@${offset}` : plain; // static ones of several functions
    names.add(name);
    return { name, offset, codec: codecOrBytes(btf, id, size) };
  });
}

/** Bytes where the type has no value. */
function codecOrBytes(btf: Btf, id: number, size: number): Codec {
  try {
    return codecOf(btf, id, size);
  } catch (error) {
    if (error instanceof ObjectError) return bytesCodec(size) as Codec;
    throw error;
  }
}
