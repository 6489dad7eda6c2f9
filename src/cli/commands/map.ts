// hello-ebpf map …: any map of the system, listed, read and written, typed by its own BTF.

import { Option } from "commander";
import {
  BPF_ANY,
  BPF_EXIST,
  BPF_F_RDONLY,
  BPF_NOEXIST,
  type BpfMap,
  BpfRuntimeError,
  closeHint,
  type MapInfo,
  mapInfos,
  mapType,
  openMap,
  openMapById,
  UnsupportedError,
} from "../../index.ts";
import { newCommand, parseArguments } from "../command-line.ts";
import { EXIT, UsageError } from "../exit-status.ts";
import { asText, Shown, shownCodec } from "../map-text.ts";
import type { Report } from "../report.ts";
import type { Format } from "../settings.ts";
import type { Command, Prepared, Surroundings } from "./command.ts";

interface MapSettings {
  readonly output: Format;
  readonly flags: keyof typeof FLAGS;
}

const FLAGS = { any: BPF_ANY, noexist: BPF_NOEXIST, exist: BPF_EXIST };

/** What the classes of map types have of this; no type has all of it. */
interface Operations {
  entries?(): Iterable<readonly [key: unknown, value: unknown]>;
  get?(key: unknown): unknown;
  set?(key: unknown, value: unknown, flags: number): unknown;
  delete?(key: unknown): boolean;
  peek?(): unknown;
  push?(value: unknown): unknown;
  pop?(): unknown;
  add?(value: unknown): unknown;
  mightHave?(value: unknown): boolean;
}

interface Action {
  readonly name: string;
  /** What follows the action on the command line. */
  readonly usage: string;
  readonly description: string;
  readonly run: (words: readonly string[], settings: MapSettings, around: Surroundings) => void | Promise<void>;
}

const ACTIONS: readonly Action[] = [
  {
    name: "list",
    usage: "",
    description: "every map: number, type, name, bytes of keys and values, entries",
    run: list,
  },
  { name: "dump", usage: "MAP", description: "every entry", run: onMap(dump, BPF_F_RDONLY) },
  {
    name: "get",
    usage: "MAP [KEY]",
    description: "one entry; of a queue or stack the next value; whether a bloom filter may have one",
    run: onMap(get, BPF_F_RDONLY),
  },
  {
    name: "set",
    usage: "MAP [KEY] VALUE",
    description: "writes an entry; a queue, stack or bloom filter takes it in",
    run: onMap(set),
  },
  {
    name: "delete",
    usage: "MAP [KEY]",
    description: "deletes an entry; of a queue or stack the next",
    run: onMap(remove),
  },
];

const HELP = `
${ACTIONS.map(({ name, usage, description }) => `  ${`${name} ${usage}`.padEnd(22)} ${description}`).join("\n")}

MAP is a name, a number, or the path of a pin. KEY and VALUE are JSON or text, as the map's BTF
has them, text with \\xNN for a byte, or bytes in hexadecimal (01 02 ff), as without BTF, which
takes a number as well. What begins with a minus stands behind --. A key of an LPM trie is
10.0.0.0/8, of storage with tasks a process, with files or cgroups a path. A value of a map of maps
or programs is a number or path as well, of cgroups a path, of interfaces a name.`;

export const map: Command = {
  name: "map",
  description: "lists, reads and writes any map of the system",
  prepare(argv): Prepared | undefined {
    const command = newCommand("hello-ebpf map")
      .description("Any map of the system, typed by its own BTF. Needs CAP_SYS_ADMIN, or a path that may be opened.")
      .argument("<action>", "what to do")
      .argument("[words...]", "of which map, key and value")
      .addOption(new Option("--output <format>", "how to print").choices(["text", "jsonl"]).default("text"))
      .addOption(
        new Option("--flags <flags>", "set: whether the key may be there").choices(Object.keys(FLAGS)).default("any"),
      )
      .addHelpText("after", HELP);
    if (!parseArguments(command, argv)) return undefined;
    const [name = "", ...words] = command.args;
    const action = ACTIONS.find((row) => row.name === name);
    if (!action) {
      const names = ACTIONS.map((row) => row.name);
      throw new UsageError(`Expected one of ${names.join(", ")}, got ${JSON.stringify(name)}${closeHint(name, names)}`);
    }
    const settings = command.opts<MapSettings>();
    return {
      format: settings.output,
      async run(around) {
        await action.run(words, settings, around);
        await around.output.flush();
        return around.endings.ending?.status ?? EXIT.done;
      },
    };
  },
};

/** Entries between two looks at whether somebody wants an end. */
const TURN = 256;

async function list(words: readonly string[], _settings: MapSettings, { report, output }: Surroundings): Promise<void> {
  if (words.length > 0) throw new UsageError(`Expected nothing after list, got ${JSON.stringify(words[0])}`);
  for (const info of mapInfos()) {
    const { id, name, keySize, valueSize, maxEntries, flags } = info;
    const type = mapType(info.type).name;
    const fields = { id, map_type: type, name, key: keySize, value: valueSize, max_entries: maxEntries, flags };
    report.record("map_info", fields, () =>
      `${id}: ${type} ${asText(name) || "-"} key ${keySize} value ${valueSize} entries ${maxEntries}`.trimEnd(),
    );
  }
  await output.flush();
}

type OnMap = (
  map: BpfMap & Operations,
  words: string[],
  settings: MapSettings,
  around: Surroundings,
) => void | Promise<void>;

/** An action on the map that the first word names; `flags`: how a pinned one is opened. */
function onMap(run: OnMap, flags = 0): Action["run"] {
  return async ([name, ...words], settings, around) => {
    if (name === undefined) throw new UsageError("Expected a map: its name, number or path");
    using found = find(name, flags);
    found.changeCodecs(shownCodec);
    try {
      await run(found as BpfMap & Operations, words, settings, around);
    } catch (error) {
      if (error instanceof TypeError) throw new UsageError(error.message);
      throw error;
    }
  };
}

function find(name: string, flags: number): BpfMap {
  if (name.includes("/")) return openMap(name, flags);
  const id = /^\d+$/.test(name) ? Number(name) : idOf(name);
  const map = openMapById(id);
  if (map) return map;
  throw new BpfRuntimeError(`Cannot find map ${id}`, { subject: `map ${id}`, likely: "there is none of that number" });
}

/** The number of the one map of a name. */
function idOf(name: string): number {
  const all: MapInfo[] = [...mapInfos()];
  const found = all.filter((info) => info.name === name);
  if (found.length === 1) return found[0]?.id ?? 0;
  const subject = `map ${name}`;
  if (found.length > 1) {
    const ids = found.map(({ id }) => id).join(", ");
    const likely = `there are ${found.length}: ${ids}`;
    throw new BpfRuntimeError(`Cannot choose a map named ${name}`, {
      subject,
      likely,
      action: "name one by its number",
    });
  }
  const hint = closeHint(name, new Set(all.map((info) => info.name)));
  throw new BpfRuntimeError(`Cannot find a map named ${name}${hint}`, { subject });
}

async function dump(map: BpfMap & Operations, words: string[], _: MapSettings, around: Surroundings): Promise<void> {
  expectWords(words, 0);
  if (!map.entries) throw cannot(map, "list its entries");
  let shown = 0;
  for (const [key, value] of map.entries()) {
    say(around.report, key, value);
    if (++shown % TURN !== 0) continue;
    await around.output.flush();
    await Bun.sleep(0); // signals get their turn
    if (around.endings.ending) return;
  }
}

function get(map: BpfMap & Operations, words: string[], _settings: MapSettings, { report }: Surroundings): void {
  if (map.peek) {
    expectWords(words, 0);
    say(report, undefined, found(map, map.peek(), "is empty"));
    return;
  }
  if (map.mightHave) {
    const value = map.valueFrom(expectWords(words, 1)[0] ?? "");
    say(report, value, found(map, map.mightHave(value) || undefined, `has no ${asText(value)}`));
    return;
  }
  if (!map.get) throw cannot(map, "read an entry");
  using key = keyOf(map, words);
  say(report, key.shown, found(map, map.get(key.value), `has no ${asText(key.shown)}`));
}

function set(map: BpfMap & Operations, words: string[], { flags }: MapSettings): void {
  const take = map.push ?? map.add;
  if (take) {
    take.call(map, map.valueFrom(expectWords(words, 1)[0] ?? ""));
    return;
  }
  if (!map.set) throw cannot(map, "write an entry");
  const [, text = ""] = expectWords(words, 2);
  using key = keyOf(map, words.slice(0, 1));
  using value = typed(map.valueFrom(text), text);
  map.set(key.value, value.value, FLAGS[flags]);
}

function remove(map: BpfMap & Operations, words: string[], _settings: MapSettings, { report }: Surroundings): void {
  if (map.pop) {
    expectWords(words, 0);
    say(report, undefined, found(map, map.pop(), "is empty"));
    return;
  }
  if (!map.delete) throw cannot(map, "delete an entry");
  using key = keyOf(map, words);
  if (!map.delete(key.value)) found(map, undefined, `has no ${asText(key.shown)}`);
}

/** What was typed, closed where it was opened: then it is shown as it was typed. */
interface Typed extends Disposable {
  readonly value: unknown;
  readonly shown: unknown;
}

function typed(value: unknown, text: string): Typed {
  const opened = Object(value) as Partial<Disposable>;
  const close = opened[Symbol.dispose];
  return { value, shown: close ? text : value, [Symbol.dispose]: () => close?.call(opened) };
}

function keyOf(map: BpfMap, words: string[]): Typed {
  const [text = ""] = expectWords(words, 1);
  return typed(map.keyFrom(text), text);
}

function expectWords(words: string[], count: number): string[] {
  if (words.length === count) return words;
  throw new UsageError(
    `Expected ${count === 2 ? "KEY and VALUE" : count === 1 ? "one word" : "nothing"} after the map`,
  );
}

function found<T>(map: BpfMap, value: T | undefined, otherwise: string): T {
  if (value !== undefined) return value;
  throw new BpfRuntimeError(`Cannot find it: map ${map.name} ${otherwise}`, { subject: `map ${map.name}` });
}

function cannot(map: BpfMap, doing: string): UnsupportedError {
  const type = mapType(map.spec.type).name;
  const likely = `maps of type ${type} cannot do that from user space, or not by text`;
  return new UnsupportedError(`Cannot ${doing} of map ${map.name}`, { subject: `map ${map.name}`, likely });
}

function say(report: Report, key: unknown, value: unknown): void {
  const fields = {
    key: plain(key),
    get key_hex() {
      return hexOf(key); // only looked for where it is written
    },
    value: plain(value),
    get value_hex() {
      return hexOf(value);
    },
  };
  report.record("entry", fields, () => (key === undefined ? asText(value) : `${asText(key)}: ${asText(value)}`));
}

const plain = (part: unknown) => (part instanceof Shown ? part.value : part);
const hexOf = (part: unknown) => (part instanceof Shown ? part.hex : undefined);
