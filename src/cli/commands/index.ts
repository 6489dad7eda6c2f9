// The list of commands: one file a command, one line here.

import { btf } from "./btf.ts";
import type { Command } from "./command.ts";
import { config } from "./config.ts";
import { load } from "./load.ts";
import { map } from "./map.ts";
import { run } from "./run.ts";

export const COMMANDS: readonly Command[] = [btf, load, map, run, config];
