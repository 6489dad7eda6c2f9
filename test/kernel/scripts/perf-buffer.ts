// Opens the perf buffers of a map, for which no program has to be loaded, and prints why that is refused.

import { BPF_MAP_TYPE_PERF_EVENT_ARRAY } from "elf-loader/uapi";
import { type BpfError, BpfPerfEventArray, createMap, PerfBuffer } from "../../../src/index.ts";

const sizes = { keySize: 4, valueSize: 4, maxEntries: 0 };
const map = createMap({ name: "events", type: BPF_MAP_TYPE_PERF_EVENT_ARRAY, ...sizes });
if (!(map instanceof BpfPerfEventArray)) throw new Error("Not a perf event array");
try {
  new PerfBuffer(map, () => undefined).close();
} catch (error) {
  console.log((error as BpfError).message, (error as BpfError).likely);
}
