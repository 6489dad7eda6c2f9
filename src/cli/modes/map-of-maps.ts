// --mode map-of-maps: for each user a table of what they run, a map of its own that is made when the user is first seen.

import object from "../../../build/bpf/hello_map_of_maps.bpf.o" with { type: "file" };
import { BpfError, BpfHashMap, BpfMapOfMaps, type BpfObject } from "../../index.ts";
import { escapeText } from "../escape.ts";
import { type Report, why } from "../report.ts";
import { syscallMode } from "./syscall-mode.ts";
import { tableSource } from "./table-source.ts";

type Command = { name: string };
type Counts = Map<string, bigint>;

/** The users' maps, and what is counted of users who have none, or had none yet. */
class Users implements Disposable {
  readonly #report: Report;
  readonly #outer: BpfMapOfMaps<number>;
  readonly #waiting: BpfHashMap<{ uid: number; command: Command }, bigint>;
  readonly #maps = new Map<number, BpfHashMap<Command, bigint>>();
  /** Whether there is room for one more: maps are not taken away again. */
  #giving = true;

  constructor(loaded: BpfObject, report: Report) {
    this.#report = report;
    this.#outer = loaded.map("users", BpfMapOfMaps<number>);
    this.#waiting = loaded.map("waiting", BpfHashMap<{ uid: number; command: Command }, bigint>);
  }

  /** Counts by command of each user, in order of uid; who is seen for the first time gets a map, as long as there is room. */
  read(): [uid: number, counts: Counts][] {
    const users = new Map<number, Counts>();
    const add = (uid: number, { name }: Command, count: bigint) => {
      const counts = users.get(uid) ?? new Map<string, bigint>();
      users.set(uid, counts.set(name, (counts.get(name) ?? 0n) + count));
    };
    const seen = new Set<number>();
    for (const [{ uid, command }, count] of this.#waiting) {
      add(uid, command, count);
      seen.add(uid);
    }
    if (this.#giving) this.#give([...seen].filter((uid) => !this.#maps.has(uid)));
    for (const [uid, map] of this.#maps) for (const [command, count] of map) add(uid, command, count);
    return [...users].sort(([a], [b]) => a - b);
  }

  /**
   * Gives them a map each, all with one call where the kernel can: it waits after every one until no program reads the
   * outer map as it was. Who cannot be given one is counted in the map of all others who have none.
   */
  #give(uids: readonly number[]): void {
    const made: [uid: number, map: BpfHashMap<Command, bigint>][] = [];
    const refused: BpfError[] = [];
    const attempt = (work: () => unknown) => {
      try {
        work();
      } catch (error) {
        if (!(error instanceof BpfError)) throw error;
        refused.push(error);
      }
    };
    attempt(() => {
      for (const uid of uids) made.push([uid, this.#outer.create(`user ${uid}`) as BpfHashMap<Command, bigint>]);
    });
    attempt(() => this.#outer.setMany(made));
    const [cause] = refused;
    for (const [uid, map] of made) {
      if (!cause || this.#outer.has(uid)) this.#maps.set(uid, map);
      else map.close();
    }
    if (!cause) return;
    this.#giving = false;
    const { size } = this.#maps;
    this.#report.note(`${size} users have a map of their own, the others are counted in one: ${why(cause)}`);
  }

  [Symbol.dispose](): void {
    for (const map of this.#maps.values()) map.close();
  }
}

export const mapOfMaps = syscallMode({
  name: "map-of-maps",
  description: "for each user what they run, in a map of their own, every --interval seconds",
  object,
  refreshes: true,
  uses: ["interval"],
  needed: (loaded) => loaded.map("users", BpfMapOfMaps).create("try").close(),
  open(loaded, settings, report) {
    const users = new Users(loaded, report);
    const source = tableSource(
      {
        read: () => users.read(),
        total: (rows) => Number(rows.flatMap(([, counts]) => [...counts.values()]).reduce((sum, n) => sum + n, 0n)),
        show(rows) {
          const sorted = rows.map(([uid, counts]) => [uid, [...counts].sort(byCount)] as const);
          const entries = sorted.map(([key, list]) => ({
            key,
            value: list.map(([name, n]) => ({ key: name, value: n })),
          }));
          report.map("users", entries, () => sorted.map(([uid, list]) => `ID ${uid}: ${text(list)}\t`).join(""));
        },
      },
      settings,
    );
    return {
      ...source,
      [Symbol.dispose]() {
        source[Symbol.dispose]();
        users[Symbol.dispose]();
      },
    };
  },
});

type Row = [name: string, count: bigint];
const byCount = ([a, m]: Row, [b, n]: Row) => (m > n ? -1 : m < n ? 1 : a < b ? -1 : 1);
const text = (rows: readonly Row[]) => rows.map(([name, count]) => `${escapeText(name)} ${count}`).join(", ");
