// CO-RE against the types of the guests' kernels, none of which runs: what a program reads of its relocations, run by an
// interpreter, is what bpftool's dump of the same types says.
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { Btf, FUNCTION_SINCE, linkProgram, type ObjectError, parseObject, relocate, resolveSymbols } from "elf-loader";
import { kernelBtf } from "../../scripts/kernels/image-btf.ts";
import { GUESTS } from "../../scripts/kernels/table.ts";
import { fixture, json } from "./compile.ts";
import { run } from "./interpreter.ts";

interface RawType {
  id: number;
  kind: string;
  name: string;
  size: number;
  type_id: number;
  nr_elems: number;
  members: { name: string; type_id: number; bits_offset: number }[];
  values: { name: string; val: number }[];
}

/** Where bytes of a type are, counted in bits from the start of the outermost. */
interface Place {
  readonly type: RawType;
  readonly bits: number;
}

/** What bpftool says of a kernel's types. */
class Oracle {
  readonly #types: readonly RawType[];

  constructor(path: string) {
    this.#types = json<{ types: RawType[] }>("bpftool", "-j", "btf", "dump", "file", path).types;
  }

  #type(id: number): RawType | undefined {
    const type = this.#types[id - 1];
    return type && /^(?:TYPEDEF|CONST|VOLATILE|RESTRICT|TYPE_TAG)$/.test(type.kind) ? this.#type(type.type_id) : type;
  }

  #size(type: RawType | undefined): number {
    if (type?.kind === "ARRAY") return type.nr_elems * this.#size(this.#type(type.type_id));
    return type?.kind === "PTR" ? 8 : (type?.size ?? 0);
  }

  /** A member by its name, within members without one too. */
  #member({ type, bits }: Place, name: string): Place | undefined {
    for (const member of type.members ?? []) {
      const inner = this.#type(member.type_id);
      const place = inner && { type: inner, bits: bits + member.bits_offset };
      if (member.name === name) return place;
      const nested = place && member.name === "(anon)" ? this.#member(place, name) : undefined;
      if (nested) return nested;
    }
    return undefined;
  }

  #element({ type, bits }: Place, index: number): Place | undefined {
    const element = this.#type(type.type_id);
    return element && { type: element, bits: bits + index * this.#size(element) * 8 };
  }

  /** [whether it is there, byte offset, bytes] of a path such as `children.prev` or `args[3]`. */
  field(struct: string, path: string): number[] {
    const type = this.#types.find(({ kind, name }) => kind === "STRUCT" && name === struct);
    let place: Place | undefined = type && { type, bits: 0 };
    for (const [, name, index] of path.matchAll(/(\w+)(?:\[(\d+)\])?/g)) {
      place = place && this.#member(place, name ?? "");
      if (index) place = place && this.#element(place, Number(index));
    }
    return place ? [1, place.bits / 8, this.#size(place.type)] : [0, 0, 0];
  }

  /** The same of an enumerator, with its value. */
  enumerator(enumeration: string, name: string): number[] {
    const type = this.#types.find((one) => one.kind === "ENUM" && one.name === enumeration);
    const found = type?.values.find((value) => value.name === name);
    return found ? [1, found.val, 4] : [0, 0, 0];
  }
}

const MAPS = [".rodata", ".bss"];
const TOLD_WORDS = 3;

/** What the fixture tells of these types: by its names, three numbers each. */
function told(kernel: Btf): Map<string, number[]> {
  const spec = parseObject(fixture("core_fields"));
  const core = relocate(spec, { vmlinux: () => kernel, modules: () => [] });
  const { insns } = linkProgram(spec, "fields", (map) => MAPS.indexOf(map), { core });
  const memory = MAPS.map((name, fd) => [fd, new Uint8Array(spec.maps.get(name)?.contents as Uint8Array)] as const);
  const count = Number(run(insns, true, new Map(memory)));
  const [rodata, bss] = memory.map(([, bytes]) => bytes) as [Uint8Array, Uint8Array];
  const names = new TextDecoder().decode(rodata).split("\n").slice(0, count);
  const words = new BigUint64Array(bss.buffer);
  return new Map(names.map((name, i) => [name, [...words.subarray(i * TOLD_WORDS, (i + 1) * TOLD_WORDS)].map(Number)]));
}

/** The path of a kernel's types, or why they cannot be had. */
function typesOf(guest: (typeof GUESTS)[number]): string | Error {
  try {
    return kernelBtf(guest);
  } catch (error) {
    if (process.env.CI) throw error;
    return error as Error;
  }
}

/** Fields that came or went between the kernels, as their sources have them. */
const CAME_AND_WENT: { readonly [name: string]: readonly string[] } = {
  "task_struct.state": ["5.10"],
  "task_struct.__state": ["6.1", "6.12", "7"],
  "task_struct.never_there": [],
  "request.rq_disk": ["5.10"],
  "bpf_map_type.BPF_MAP_TYPE_ARENA": ["6.12", "7"],
};

const oldest = typesOf(GUESTS[0] as (typeof GUESTS)[number]);
test.skipIf(oldest instanceof Error)("a function that 5.10 has not is told with the kernel that brought it", () => {
  const kernel = Btf.parse(readFileSync(oldest as string), "5.10");
  const targets = { vmlinux: () => kernel, modules: () => [] };
  const spec = parseObject(fixture("kfunc"));
  expect(resolveSymbols(spec, targets).size).toBe(0); // all are weak
  const [program = ""] = spec.programs.keys();
  const { unresolved } = linkProgram(spec, program, () => 3, { core: relocate(spec, targets), symbols: new Map() });
  const said = [...unresolved.values()].map(({ what, why }) => `${what}: ${why}`);
  expect(said.find((one) => one.includes("bpf_task_acquire___flavor"))).toEndWith("; it came with kernel 6.2");
  for (const extern of spec.externs.values()) (extern as { weak: boolean }).weak = false;
  try {
    resolveSymbols(spec, targets);
    expect.unreachable();
  } catch (error) {
    expect((error as ObjectError).likely).toStartWith("it came with kernel 6.2: neither the BTF of 5.10 ");
  }
});

/** The newest kernel has all there are. */
const versionOf = (guest: string): string => (guest.includes(".") ? guest : `${guest}.999`);
/** Connection tracking and its flow tables. */
const OF_MODULES = /_ct_|flow_lookup/;

for (const guest of GUESTS.filter(({ architecture }) => architecture === "amd64")) {
  const path = typesOf(guest);
  describe.skipIf(path instanceof Error)(
    `kernel ${guest.id}${path instanceof Error ? `: ${path.message}` : ""}`,
    () => {
      test("offsets, sizes, enumerators and what is not there are as bpftool has them", () => {
        const oracle = new Oracle(path as string);
        const found = told(Btf.parse(readFileSync(path as string), guest.id));
        expect(found.size).toBeGreaterThan(50);
        const expected = [...found.keys()].map((name) => {
          const [type = "", rest = ""] = name.split(/\.(.*)/s);
          const isEnum = rest === rest.toUpperCase() || rest.startsWith("TCP_CA");
          return [name, isEnum ? oracle.enumerator(type, rest) : oracle.field(type, rest)] as const;
        });
        expect(Object.fromEntries(found)).toEqual(Object.fromEntries(expected));
        const there = [...found.values()].filter(([exists]) => exists === 1);
        expect(there.length).toBeGreaterThan(45);
        for (const [name, kernels] of Object.entries(CAME_AND_WENT))
          expect([name, found.get(name)?.[0]]).toEqual([name, kernels.includes(guest.id) ? 1 : 0]);
      }, 60_000);

      test("functions for programs are there since the kernel that is said to have brought them", () => {
        const btf = Btf.parse(readFileSync(path as string), guest.id);
        const there = btf.findAll(FUNCTION_SINCE.keys(), new Set(["func"] as const));
        const wrong = [...FUNCTION_SINCE].filter(([name, since]) => {
          const came = since.localeCompare(versionOf(guest.id), "en", { numeric: true }) <= 0;
          return (there.get(name)?.length ?? 0) > 0 !== (came && !OF_MODULES.test(name));
        });
        expect(wrong).toEqual([]);
        expect(FUNCTION_SINCE.size).toBeGreaterThan(100);
      });
    },
  );
}
