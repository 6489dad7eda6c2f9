// What clang makes of a header printed from BTF: the size, members and bits of every struct, union and enum in it.
import { expect } from "bun:test";
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { type Btf, type BtfType, cHeader, parseObject } from "elf-loader";
import { scratch } from "./compile.ts";

/** Names of what the header defines, by kind: those that only one type has. */
function definitions(btf: Btf): Map<string, number> {
  const found = new Map<string, number[]>();
  for (let id = 1; id < btf.typeCount; id++) {
    const kind = btf.kind(id);
    const name = btf.nameOf(id);
    if (name === "" || !["struct", "union", "enum", "enum64"].includes(kind)) continue;
    const tag = `${kind === "enum64" ? "enum" : kind} ${name}`;
    found.set(name, [...(found.get(name) ?? []), id]);
    if (found.get(name)?.length === 1) found.set(tag, [id]);
  }
  const tags = [...found].filter(([tag]) => tag.includes(" ") && found.get(tag.split(" ")[1] as string)?.length === 1);
  return new Map(tags.map(([tag, [id]]) => [tag, id as number]));
}

/** The BTF that clang writes of a header, with a variable of each type. */
function recompiled(btf: Btf, name: string, tags: Iterable<string>, target: string): Btf {
  const source = scratch(`${name}.c`);
  const variables = [...tags].map((tag, i) => `${tag} variable_${i};\n`);
  writeFileSync(source, ["#define BPF_NO_PRESERVE_ACCESS_INDEX\n", ...cHeader(btf), ...variables].join(""));
  execFileSync("clang-19", ["-target", target, "-g", "-O0", "-Wall", "-Werror", "-c", source, "-o", `${source}.o`]);
  return parseObject(new Uint8Array(readFileSync(`${source}.o`))).btf as Btf;
}

/** What is the same however often types were written anew; gaps are unnamed or the printer's own. */
function shape(btf: Btf, id: number): unknown {
  const type = btf.type(id);
  if (type.kind === "enum" || type.kind === "enum64") {
    return { size: type.size, values: type.values.map(({ name, value }) => [unflavored(name), value]) };
  }
  return { size: "size" in type && type.size, members: flat(btf, type, 0) };
}

/** Of values of one name the second is a flavor. */
const unflavored = (name: string) => name.replace(/___\d+$/, "");

/** What va_list is each target says for itself. */
function hasArgumentList(btf: Btf, id: number): boolean {
  const type = btf.type(id);
  return type.kind === "struct" && type.members.some((member) => btf.nameOf(member.type) === "va_list");
}

/** Members by name and bits, those of anonymous structs among them. */
function flat(btf: Btf, type: BtfType, base: number): unknown[] {
  if (type.kind !== "struct" && type.kind !== "union") return [];
  return type.members.flatMap(({ name, type: id, bitOffset, bitSize }) => {
    if (name.startsWith("__gap_") || name === "__size") return [];
    if (name === "") return flat(btf, btf.resolved(id), base + bitOffset);
    return [[name, base + bitOffset, bitSize, btf.sizeOf(id)]];
  });
}

/** Holds what clang makes of the header against what it was printed from; how many types it has. */
export function expectSameLayout(btf: Btf, name: string, target = "bpf"): number {
  const tags = definitions(btf);
  // Of a kernel's thousands of types one in so many: clang takes a second for each thousand variables.
  const step = Math.ceil(tags.size / 2000);
  const again = recompiled(
    btf,
    name,
    [...tags.keys()].filter((_, i) => i % step === 0),
    target,
  );
  const known = definitions(again);
  const chosen = [...tags].filter(([, id], i) => i % step === 0 && !hasArgumentList(btf, id));
  const different = chosen.filter(([tag, id]) => {
    const written = known.get(tag);
    return (
      written === undefined || JSON.stringify(plain(shape(again, written))) !== JSON.stringify(plain(shape(btf, id)))
    );
  });
  expect(different.map(([tag]) => tag)).toEqual([]);
  return tags.size;
}

const plain = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value, (_, v) => (typeof v === "bigint" ? `${v}` : v)));
