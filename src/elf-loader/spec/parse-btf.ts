/** BTF wherever it comes: the raw bytes of /sys/kernel/btf/*, or section .BTF of an object. Source: btf__parse in libbpf. */
import { Btf } from "../btf/btf.ts";
import { parseElf } from "../elf/elf-file.ts";
import { ObjectError } from "../errors.ts";

const ELF_MAGIC = [0x7f, 0x45, 0x4c, 0x46];

/**
 * @param name what it is called in errors
 * @throws ObjectError
 */
export function parseBtf(bytes: Uint8Array, name: string): Btf {
  if (!ELF_MAGIC.every((byte, index) => bytes[index] === byte)) return Btf.parse(bytes, name);
  const section = parseElf(bytes).sections.find((candidate) => candidate.name === ".BTF");
  if (!section) throw new ObjectError(`Cannot parse BTF of ${name}: it has no section .BTF`, ".BTF", 0);
  return Btf.parse(section.data, name);
}
