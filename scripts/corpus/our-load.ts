// What this project makes of eBPF objects, in the words of libbpf-load.c: for each file a line of JSON.
//
//   [INSTRUCTIONS=1] bun scripts/corpus/our-load.ts FILE...

import { readFileSync } from "node:fs";
import {
  BPF_MAP_TYPE_ARRAY,
  BPF_MAP_TYPE_CPUMAP,
  BPF_MAP_TYPE_DEVMAP,
  BPF_MAP_TYPE_HASH,
  BPF_MAP_TYPE_LRU_HASH,
  BPF_MAP_TYPE_LRU_PERCPU_HASH,
  BPF_MAP_TYPE_PERCPU_ARRAY,
  BPF_MAP_TYPE_PERCPU_HASH,
  BPF_MAP_TYPE_RINGBUF,
  BPF_MAP_TYPE_STACK_TRACE,
} from "elf-loader/uapi";
import {
  BpfError,
  BpfObject,
  type LinkedProgram,
  type LoadOptions,
  type ObjectSpec,
  parseObject,
} from "../../src/index.ts";

/** Map types that need a number of entries. */
const SIZED = new Set([
  ...[BPF_MAP_TYPE_HASH, BPF_MAP_TYPE_ARRAY, BPF_MAP_TYPE_PERCPU_HASH, BPF_MAP_TYPE_PERCPU_ARRAY],
  ...[BPF_MAP_TYPE_STACK_TRACE, BPF_MAP_TYPE_LRU_HASH, BPF_MAP_TYPE_LRU_PERCPU_HASH],
  ...[BPF_MAP_TYPE_DEVMAP, BPF_MAP_TYPE_CPUMAP, BPF_MAP_TYPE_RINGBUF],
]);
const ENTRIES = 4096;
const STACK_BYTES = 127 * 8;

/** What a refusal is: the errno where the kernel gave one, else the kind of error, and the message. */
interface Refusal {
  readonly errno?: string;
  readonly class: string;
  readonly message: string;
}

function refusal(error: unknown): Refusal {
  if (!(error instanceof BpfError)) throw error;
  return { errno: error.errno, class: error.class, message: error.message };
}

/** undefined where all went well. */
function attempt(action: () => void): Refusal | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    return refusal(error);
  }
}

/** What an object's own user space would fill in: sizes that are not known when it is compiled. As libbpf-load.c does. */
function complete(spec: ObjectSpec): void {
  for (const map of spec.maps.values()) {
    if (map.maxEntries === 0 && SIZED.has(map.type)) map.maxEntries = ENTRIES;
    if (map.type === BPF_MAP_TYPE_STACK_TRACE && map.valueSize === 0) map.valueSize = STACK_BYTES;
  }
}

/** Everything as it is, or with one program alone. */
function load(spec: ObjectSpec, alone?: string, onLinked?: LoadOptions["onLinked"]): Refusal | undefined {
  const copy = spec.copy();
  complete(copy);
  if (alone !== undefined) for (const [name, program] of copy.programs) program.autoload = name === alone;
  return attempt(() => BpfObject.load(copy, { onLinked }).close());
}

function report(path: string): Record<string, unknown> {
  let spec: ObjectSpec | undefined;
  const refused = attempt(() => {
    spec = parseObject(readFileSync(path), path);
  });
  if (!spec) return { object: path, opened: false, refused };
  const parsed = spec;
  const programs = [...parsed.programs.values()].map((program) => {
    let instructions = "";
    // Of a struct of functions the others are loaded with it.
    const keep = (name: string, { insns }: LinkedProgram) => {
      if (name === program.name) instructions = Buffer.from(insns).toString("hex");
    };
    const refused = load(parsed, program.name, process.env.INSTRUCTIONS ? keep : undefined);
    const { name, type, expectedAttachType: attach, autoload } = program;
    return { name, type, attach, autoload, instructions, refused };
  });
  return { object: path, opened: true, programs, maps: parsed.maps.size, refused: load(parsed) };
}

for (const path of process.argv.slice(2)) console.log(JSON.stringify(report(path)));
