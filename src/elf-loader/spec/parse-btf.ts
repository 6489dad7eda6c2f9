/**
 * BTF wherever it comes: the raw bytes of /sys/kernel/btf/*, or section .BTF of an ELF file: an object, a module, a
 * vmlinux with all its debug information. Source: btf_parse in libbpf's btf.c.
 */
import { Btf } from "../btf/btf.ts";
import { findSection, type ReadAt } from "../elf/find-section.ts";
import { ObjectError } from "../errors.ts";
import { BTF_MAGIC } from "../uapi/btf.ts";

const TYPED = "name a file with types: of clang -g -target bpf, or a vmlinux with CONFIG_DEBUG_INFO_BTF";

const ELF_MAGIC = [0x7f, 0x45, 0x4c, 0x46];

/**
 * @param file its bytes, or how to read some of them: of an ELF file no more is asked for than is needed
 * @param name what it is called in errors
 * @param base the BTF that this one continues, as that of the kernel for a module's; what the module brings in section
 *   .BTF.base, so that it need not be of this very kernel, comes first
 * @throws ObjectError
 */
export function parseBtf(file: Uint8Array | ReadAt, name: string, base?: Btf): Btf {
  const read = typeof file === "function" ? file : readFrom(file);
  const refused = (why: string) => new ObjectError(`Cannot parse BTF of ${name}: ${why}`, ".BTF", 0, { action: TYPED });
  if (!isElf(read)) {
    const bytes = read(0, Number.POSITIVE_INFINITY);
    if (!isBtf(bytes)) throw refused("it is neither BTF nor an ELF file");
    return Btf.parse(bytes, name, base);
  }
  const section = findSection(read, ".BTF");
  if (!section) throw refused("it has no section .BTF");
  const own = findSection(read, ".BTF.base");
  return Btf.parse(section, name, own ? Btf.parse(own, `${name}, .BTF.base`) : base);
}

export const isElf = (read: ReadAt): boolean => {
  const start = read(0, ELF_MAGIC.length);
  return ELF_MAGIC.every((byte, index) => start[index] === byte);
};

/** Of either byte order. */
const isBtf = ([first = 0, second = 0]: Uint8Array): boolean =>
  (first | (second << 8)) === BTF_MAGIC || (second | (first << 8)) === BTF_MAGIC;

const readFrom =
  (bytes: Uint8Array): ReadAt =>
  (offset, length) =>
    bytes.subarray(offset, offset + length);
