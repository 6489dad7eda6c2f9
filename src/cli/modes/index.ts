// The list of modes: one file a mode, one line here.

import { map } from "./map.ts";
import type { Mode } from "./mode.ts";
import { perf } from "./perf.ts";
import { ring } from "./ring.ts";
import { trace } from "./trace.ts";

export const MODES: readonly Mode[] = [trace, map, perf, ring];
