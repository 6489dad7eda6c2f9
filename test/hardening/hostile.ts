// A working directory and an environment that try to get into a Bun process, and what came of it.

import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Everything there was to see of one run. In a process of ours nothing but the output and the status may appear. */
export interface Effects {
  readonly output: string;
  readonly status: number | null;
  /** Files that appeared in the folder of traces: by foreign code, by a debugger's socket, by the engine. */
  readonly traces: readonly string[];
  /** Connections to a debugger that waits for one. */
  readonly connections: number;
}

/** A folder whose every file is bait: `bait/` to be the working directory and HOME, `traces/` for what gets through. */
export class HostilePlace {
  readonly root = mkdtempSync(join(tmpdir(), "hostile-"));
  readonly bait = join(this.root, "bait");
  readonly traces = join(this.root, "traces");
  readonly preload = join(this.bait, "preload.js");

  constructor() {
    mkdirSync(this.bait);
    mkdirSync(this.traces);
    const trace = JSON.stringify(this.trace("foreign-code"));
    const preload = JSON.stringify(this.preload);
    const files = {
      "preload.js": `require("node:fs").writeFileSync(${trace}, ""); require("node:fs").writeSync(1, "foreign\\n");`,
      "bunfig.toml": `preload = [${preload}]\n[run]\nsilent = true\n`,
      ".bunfig.toml": `preload = [${preload}]\n`,
      ".env": `BUN_OPTIONS=--preload=${this.preload}\nHELLO_EBPF_FROM_DOTENV=1\n`,
      "tsconfig.json": `{"compilerOptions": {"paths": {"*": [${preload}]}, "jsxImportSource": "${this.preload}"}}`,
      "package.json": `{"name": "hostile", "type": "commonjs", "imports": {"#*": ${preload}}, "browser": {"fs": ${preload}}}`,
    };
    for (const [name, content] of Object.entries(files)) writeFileSync(join(this.bait, name), content);
  }

  trace(name: string): string {
    return join(this.traces, name);
  }

  /** Runs a command in the bait folder, looking for traces while it runs and after it. */
  async run(command: readonly string[], environment: Readonly<Record<string, string>>): Promise<Effects> {
    rmSync(this.traces, { recursive: true });
    mkdirSync(this.traces);
    let connections = 0;
    const count = { open: () => void connections++, data: () => {} };
    const debuggerSocket = Bun.listen({ unix: join(this.root, "debugger.sock"), socket: count });
    const child = Bun.spawn([...command], {
      cwd: this.bait,
      env: { PATH: process.env.PATH, HOME: this.bait, XDG_CONFIG_HOME: this.bait, ...environment },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
      timeout: 20_000,
    });
    const said = Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
    const traces = new Set<string>();
    const look = () => {
      for (const name of readdirSync(this.traces)) traces.add(name);
    };
    const looking = setInterval(look, 20);
    const output = (await said).join("");
    const status = await child.exited;
    clearInterval(looking);
    look();
    debuggerSocket.stop(true);
    return { output, status, traces: [...traces].sort(), connections };
  }

  remove(): void {
    if (existsSync(this.root)) rmSync(this.root, { recursive: true });
  }
}

/** One way in: an environment, and whether Bun 1.4.5 as it is lets it in (told by the control run). */
export interface Attack {
  readonly environment: Readonly<Record<string, string>>;
  readonly worksOnBun: boolean;
}

/** Every way in that is known, in a place. Those that Bun does not have today are here for the day it gets them. */
export function attacks(place: HostilePlace): Attack[] {
  const { preload } = place;
  const debuggerSocket = join(place.root, "debugger.sock");
  const working: Record<string, string>[] = [
    { BUN_OPTIONS: `--preload=${preload}` },
    { BUN_OPTIONS: `--require ${preload}` },
    { BUN_BE_BUN: "1" },
    { BUN_INSPECT: `ws+unix://${place.trace("inspector")}` },
    { BUN_INSPECT_CONNECT_TO: `unix://${debuggerSocket}` },
    { BUN_JSC_dumpOptions: "1" },
    { BUN_JSC_logJIT: "1" },
    { BUN_JSC_noSuchOption: "1" },
    { BUN_BYTECODE_ORDER_OUT: place.trace("bytecode-order") },
    { BUN_BYTECODE_DIGEST_OUT: place.trace("bytecode-digest") },
  ];
  const idle: Record<string, string>[] = [
    {},
    { BUN_INSPECT_PRELOAD: preload },
    { BUN_INSPECT: `ws+unix://${debuggerSocket}?break=1`, BUN_INSPECT_PRELOAD: preload },
    { BUN_INSPECT_NOTIFY: `unix://${debuggerSocket}` },
    { NODE_OPTIONS: `--require ${preload} --import ${preload} --inspect` },
    { NODE_COMPILE_CACHE: place.trace("compile-cache") },
    { NODE_V8_COVERAGE: place.trace("coverage") },
    { NODE_REDIRECT_WARNINGS: place.trace("warnings"), NODE_PENDING_DEPRECATION: "1" },
    { NODE_CHANNEL_FD: "1", NODE_CHANNEL_SERIALIZATION_MODE: "json" },
    { NODE_PATH: place.bait },
    { JSC_PROFILER_PATH: place.trace("profiler") },
    { JSC_dumpOptions: "1", JSC_functionOverrides: preload },
    { BUN_TRACE: place.trace("trace"), BUN_WATCHER_TRACE: place.trace("watcher") },
    { BUN_RUNTIME_TRANSPILER_CACHE_PATH: place.trace("transpiler") },
    { BUN_CONFIG_FILE: preload, BUN_CONFIG_VERBOSE_FETCH: "1", BUN_INSTALL: place.bait },
    { BUN_TCC_OPTIONS: `-include ${preload}`, C_INCLUDE_PATH: place.bait, LIBRARY_PATH: place.bait },
    { BUN_DEBUG: place.trace("debug"), BUN_DEBUG_ALL: "1", NODE_DEBUG: "*" },
  ];
  return [
    ...working.map((environment) => ({ environment, worksOnBun: true })),
    ...idle.map((environment) => ({ environment, worksOnBun: false })),
  ];
}
