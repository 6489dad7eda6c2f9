// The list of modes: one file a mode, one line here.

import { bloom } from "./bloom.ts";
import { chain } from "./chain.ts";
import { config } from "./config.ts";
import { devmap } from "./devmap.ts";
import { lpm } from "./lpm.ts";
import { lru } from "./lru.ts";
import { map } from "./map.ts";
import { mapOfMaps } from "./map-of-maps.ts";
import type { Mode } from "./mode.ts";
import { perf } from "./perf.ts";
import { queue } from "./queue.ts";
import { ring } from "./ring.ts";
import { sockmap } from "./sockmap.ts";
import { stack } from "./stack.ts";
import { trace } from "./trace.ts";

export const MODES: readonly Mode[] = [
  ...[trace, map, perf, ring, queue, stack, lru, lpm, bloom, mapOfMaps],
  ...[chain, config, sockmap, devmap],
];
