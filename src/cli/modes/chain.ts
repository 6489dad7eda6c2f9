// --mode chain: one program counts into a map, another reads it and acts: who makes more calls than --limit in one
// stretch of time is reported. They are two objects, the second loaded with the first one's maps for its own.

import { readFileSync } from "node:fs";
import counterObject from "../../../build/bpf/hello_chain.bpf.o" with { type: "file" };
import actorObject from "../../../build/bpf/hello_chain_act.bpf.o" with { type: "file" };
import { BpfObject, type ObjectSpec, parseObject } from "../../index.ts";
import { configure } from "../configuration.ts";
import { escapeText } from "../escape.ts";
import type { Settings } from "../settings.ts";
import { syscallMode } from "./syscall-mode.ts";

const DEFAULT_WINDOW_MS = 1000;
const DEFAULT_LIMIT = 100;
/** Which programs of the actor's see the call that was counted: execve is over when the new program is there. */
const ACTORS: { readonly [syscall: string]: string } = { execve: "on_exec", execveat: "on_exec" };

/** struct hello_excess of bpf/hello_chain_act.bpf.c */
interface Excess {
  readonly uid: number;
  readonly pid: number;
  readonly count: bigint;
  readonly command: string;
}

const windowOf = ({ interval }: Settings) => interval ?? DEFAULT_WINDOW_MS;
const limitOf = ({ limit }: Settings) => limit ?? DEFAULT_LIMIT;

function setRate(spec: ObjectSpec, settings: Settings): void {
  spec.globals.set("rate_config.window", BigInt(Math.max(1, Math.round(windowOf(settings) * 1e6))));
  spec.globals.set("rate_config.most", limitOf(settings));
}

/** The second object: its filters are the first one's, which have been passed when it looks. */
function loadActor(counter: BpfObject, settings: Settings): BpfObject {
  const { pid: _pid, uid: _uid, comm: _comm, ...rest } = settings;
  const spec = parseObject(readFileSync(actorObject), "hello_chain_act");
  configure(spec, rest, { limited: true, placed: false });
  setRate(spec, settings);
  const actor = ACTORS[settings.syscall] ?? "on_exit";
  for (const program of spec.programs.values()) program.autoload = program.name === actor;
  return BpfObject.load(spec, { reuse: { rates: counter.map("rates"), accounts: counter.map("accounts") } });
}

export const chain = syscallMode({
  name: "chain",
  description: "a line when a user makes more calls than --limit in --interval seconds, from two programs and a map",
  object: counterObject,
  refreshes: false,
  uses: ["interval", "limit"],
  prepare: setRate,
  open(counter, settings, report) {
    const actor = loadActor(counter, settings);
    try {
      const reader = actor.ringBuffer<Excess>("events", "hello_excess");
      const [program] = actor.programs.values();
      const link = program?.attach();
      let received = 0;
      const what = `${settings.syscall} in ${windowOf(settings) / 1000} s`;
      const show = (excess: Excess) => {
        received++;
        const { uid, pid, count, command } = excess;
        report.event({ ...excess }, () => `ID ${uid}: ${count} ${what}, now ${pid} ${escapeText(command)}`);
      };
      return {
        read: (limit) => reader.read(show, limit),
        wait: () => reader.wait(),
        wake: () => reader.wake(),
        received: () => received,
        [Symbol.dispose]() {
          link?.close();
          reader.close();
          actor.close();
        },
      };
    } catch (error) {
      actor.close();
      throw error;
    }
  },
});
