// --mode chain: one program counts into a map, another reads it and acts: who makes more calls than --limit in
// --interval seconds, whenever they begin, is reported. They are two objects, the second loaded with the first one's maps
// for its own.

import { readFileSync } from "node:fs";
import counterObject from "../../../build/bpf/hello_chain.bpf.o" with { type: "file" };
import actorObject from "../../../build/bpf/hello_chain_act.bpf.o" with { type: "file" };
import { BpfObject, type ObjectSpec, parseObject } from "../../index.ts";
import { recursionMisses } from "../accounts.ts";
import { configure } from "../configuration.ts";
import { escapeText } from "../escape.ts";
import type { Settings } from "../settings.ts";
import { syscallMode } from "./syscall-mode.ts";

const DEFAULT_WINDOW_MS = 1000;
const DEFAULT_LIMIT = 100;
/** Which of the actor's programs see the end of the call that was counted, besides on_end; what is not here ends in on_exit. */
const EXEC = ["on_exec", "on_failure"];
const ACTORS: { readonly [syscall: string]: readonly string[] } = { execve: EXEC, execveat: EXEC };
/** Users that call as often as they may, at once: the times of as many calls are kept. */
const BUSY_USERS = 4;

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

/** The second object; it looks only at calls that have passed the first one's filters. */
function loadActor(counter: BpfObject, settings: Settings): BpfObject {
  const { pid: _pid, uid: _uid, comm: _comm, ...rest } = settings;
  const spec = parseObject(readFileSync(actorObject), "hello_chain_act");
  configure(spec, rest, { limited: true, placed: false });
  setRate(spec, settings);
  const actors = [...(ACTORS[settings.syscall] ?? ["on_exit"]), "on_end"];
  for (const program of spec.programs.values()) program.autoload = actors.includes(program.name);
  const reuse = { users: counter.map("users"), excesses: counter.map("excesses"), accounts: counter.map("accounts") };
  return BpfObject.load(spec, { reuse });
}

export const chain = syscallMode({
  name: "chain",
  description: "a line when a user makes more calls than --limit in --interval seconds, from two programs and a map",
  object: counterObject,
  refreshes: false,
  uses: ["interval", "limit"],
  prepare(spec, settings) {
    setRate(spec, settings);
    const times = spec.maps.get("times");
    if (times) times.maxEntries = Math.max(times.maxEntries, BUSY_USERS * (limitOf(settings) + 1));
  },
  open(counter, settings, report) {
    using closing = new DisposableStack();
    const actor = closing.use(loadActor(counter, settings));
    const reader = closing.use(actor.ringBuffer<Excess>("events", "hello_excess"));
    for (const program of actor.programs.values()) closing.use(program.attach());
    let received = 0;
    const what = `${settings.syscall} in ${windowOf(settings) / 1000} s`;
    const show = (excess: Excess) => {
      received++;
      const { uid, pid, count, command } = excess;
      report.event({ ...excess }, () => `ID ${uid}: ${count} ${what}, now ${pid} ${escapeText(command)}`);
    };
    const opened = closing.move();
    return {
      read: (limit) => reader.read(show, limit),
      wait: () => reader.wait(),
      wake: () => reader.wake(),
      received: () => received,
      missed: () => recursionMisses(actor),
      [Symbol.dispose]: () => opened.dispose(),
    };
  },
});
