// --mode lpm: connections by the class of their address, the longest prefix of an LPM trie that covers it.

import object from "../../../build/bpf/hello_lpm.bpf.o" with { type: "file" };
import { BpfHashMap, BpfLpmTrie, syscallArgumentOffsets } from "../../index.ts";
import { type Cidr, DEFAULT_CIDRS, OTHER } from "../cidr.ts";
import { escapeText } from "../escape.ts";
import { syscallMode } from "./syscall-mode.ts";
import { tableSource } from "./table-source.ts";

/** Names of the classes in the order of their numbers; 0 is that of no prefix. */
const classesOf = (cidrs: readonly Cidr[]): string[] => [OTHER, ...new Set(cidrs.map(({ name }) => name))];

export const lpm = syscallMode({
  name: "lpm",
  description: "connect(2) counted by the longest --cidr that covers the address, from an LPM trie",
  object,
  refreshes: true,
  uses: ["interval", "cidr"],
  ignores: ["syscall"],
  syscall: "connect",
  prepare(spec, { cidr = [] }) {
    spec.globals.set("arguments", syscallArgumentOffsets());
    const wanted = 1 + cidr.length;
    for (const [name, most] of [
      ["prefixes", wanted],
      ["classes", wanted + 1],
    ] as const) {
      const map = spec.maps.get(name);
      if (map) map.maxEntries = Math.max(map.maxEntries, most);
    }
  },
  open(loaded, settings, report) {
    const cidrs = settings.cidr ?? DEFAULT_CIDRS;
    const names = classesOf(cidrs);
    const counts = loaded.map("classes", BpfHashMap<number, bigint>);
    const prefixes = loaded.map("prefixes", BpfLpmTrie<string, number>);
    counts.setMany(names.map((_, number) => [number, 0n]));
    // IPv4 is below ::/80 in the trie, but no part of it to anybody who says ::/0. What is said last is what holds.
    prefixes.set("0.0.0.0/0", 0);
    prefixes.setMany(cidrs.map(({ prefix, name }) => [prefix, names.indexOf(name)]));
    return tableSource<bigint[]>(
      {
        read: () => names.map((_, number) => counts.get(number) ?? 0n),
        total: (rows) => Number(rows.reduce((sum, count) => sum + count, 0n)),
        show(rows) {
          const entries = names.map((key, i) => ({ key, value: rows[i] }));
          const met = [...entries.slice(1), ...entries.slice(0, 1)].filter(({ value }) => value);
          report.map("classes", met, () => met.map(({ key, value }) => `${escapeText(key)}: ${value}\t`).join(""));
        },
      },
      settings,
    );
  },
});
