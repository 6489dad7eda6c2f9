/** The outside of a BTF blob: its header, and where types and strings lie. Format: Documentation/bpf/btf.rst. */
import { type Reader, swapWords } from "../bytes/reader.ts";
import { BTF_MAGIC, BTF_VERSION, btf_header } from "../uapi/btf.ts";

export interface Sections {
  /** Byte offset of the type section in the blob, for errors. */
  readonly typesAt: number;
  readonly words: Int32Array;
  readonly strings: Uint8Array;
}

const HEADER = btf_header.fields;
const field = (name: string): number => HEADER[name]?.[0] ?? 0;
/** Bytes of the header that every kernel knows: what newer ones describe behind it is not needed to read types. */
const HEADER_SIZE = field("layout_off");

/** @param split whether its strings continue those of another blob @throws ObjectError */
export function readSections(blob: Reader, split: boolean): Sections {
  const u32 = (name: string) => blob.u32(field(name), name);
  if (blob.u16(field("magic"), "magic") !== BTF_MAGIC) throw blob.error("Cannot parse BTF header: no BTF magic", 0);
  const version = blob.u8(field("version"), "version");
  if (version !== BTF_VERSION)
    throw blob.error(`Cannot parse BTF header: unknown version ${version}`, field("version"));
  const header = u32("hdr_len");
  if (header < HEADER_SIZE) throw blob.error(`Cannot parse BTF header: ${header} bytes`, field("hdr_len"));
  const typesAt = header + u32("type_off");
  const types = blob.slice(typesAt, u32("type_len"), "type section");
  if (types.length % 4 !== 0)
    throw blob.error(`Cannot parse BTF header: ${types.length} bytes of types`, field("type_len"));
  const strings = blob.slice(header + u32("str_off"), u32("str_len"), "string section");
  const begins = split || strings[0] === 0;
  if (!begins && strings[strings.length - 1] === 0) {
    const whose = "those of a module do, and are read with the kernel's (base)";
    throw blob.error(`Cannot parse BTF header: its names continue others: ${whose}`, field("str_off"));
  }
  const ends = strings[strings.length - 1] === 0 || (split && strings.length === 0);
  if (!begins || !ends) {
    throw blob.error("Cannot parse BTF header: the string section does not begin and end with NUL", field("str_off"));
  }
  return { typesAt, words: nativeWords(types, blob.littleEndian), strings };
}

/** The type section as this machine's words: every machine Linux runs eBPF on under Bun is little-endian. */
function nativeWords(bytes: Uint8Array, littleEndian: boolean): Int32Array {
  if (littleEndian && bytes.byteOffset % 4 === 0)
    return new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const copy = bytes.slice();
  return new Int32Array((littleEndian ? copy : swapWords(copy)).buffer);
}

/** The blob of these sections, in the byte order given. */
export function writeSections(
  { words, strings }: Pick<Sections, "words" | "strings">,
  littleEndian: boolean,
): Uint8Array {
  const typeBytes = words.byteLength;
  const bytes = new Uint8Array(HEADER_SIZE + typeBytes + strings.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(field("magic"), BTF_MAGIC, littleEndian);
  view.setUint8(field("version"), BTF_VERSION);
  view.setUint32(field("hdr_len"), HEADER_SIZE, littleEndian);
  view.setUint32(field("type_len"), typeBytes, littleEndian);
  view.setUint32(field("str_off"), typeBytes, littleEndian);
  view.setUint32(field("str_len"), strings.length, littleEndian);
  const types = bytes.subarray(HEADER_SIZE, HEADER_SIZE + typeBytes);
  types.set(new Uint8Array(words.buffer, words.byteOffset, typeBytes));
  if (!littleEndian) swapWords(types);
  bytes.set(strings, HEADER_SIZE + typeBytes);
  return bytes;
}
