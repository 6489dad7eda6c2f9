// A thread that loads an object whose map is pinned by name, in one folder after the other, at the same moment as others
// do in the same folder. Answers the numbers of the maps it got.

import { BpfObject } from "../../../src/index.ts";
import { fixture } from "../lib-support.ts";

interface Task {
  readonly folders: readonly string[];
  /** How many threads have come to their next turn, of all turns. */
  readonly turns: Int32Array<SharedArrayBuffer>;
  readonly threads: number;
}

declare const self: { onmessage: (event: { data: Task }) => void; postMessage(ids: readonly number[]): void };

self.onmessage = ({ data: { folders, turns, threads } }) => {
  const ids = folders.map((pinPath, turn) => {
    const spec = fixture("map_slots", "share");
    Atomics.add(turns, 0, 1);
    while (Atomics.load(turns, 0) < (turn + 1) * threads);
    using object = BpfObject.load(spec, { pinPath });
    return object.map("shared").id;
  });
  self.postMessage(ids);
};
