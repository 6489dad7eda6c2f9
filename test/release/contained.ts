// A container under way, as what README.md recommends or otherwise, and what its process has left once attached.

import { readFileSync } from "node:fs";
import { CAPABILITIES } from "elf-loader/uapi";
import { Hello, threadPrivileges } from "../kernel/support.ts";
import { type Restrictions, type Runners, SECCOMP } from "./runners.ts";

/** What README.md recommends. */
export const LEAST: Restrictions = { capabilities: ["BPF", "PERFMON"], readOnly: true, seccomp: SECCOMP };
export const with_ = (more: Restrictions): Restrictions => ({ ...LEAST, ...more });

/** What scripts/release/privileges.ts reads: a mode that did all that it is for, with what it had, and what it keeps. */
export function privilegesLine(mode: string, restrictions: Restrictions, kept: readonly string[]): string {
  const { capabilities = [], tracefs, bpffs, user } = restrictions;
  const mounts = [tracefs && "tracefs", bpffs && "bpffs"].filter(Boolean);
  const cells = [
    capabilities.join(","),
    mounts.join(",") || "-",
    user === undefined ? "root" : "any",
    kept.join(",") || "-",
  ];
  return `PRIVILEGES ${mode} ${cells.join(" ")}`;
}

/** A field of a process's status, by /proc; "" where the process is gone. */
export function statusOf(pid: number, field: string): string {
  try {
    return new RegExp(`^${field}:\\s*(.*)$`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? "";
  } catch {
    return "";
  }
}

/** Not ended, or ended and not yet waited for: then its state is Z. */
const isRunning = (pid: number): boolean => /^[^ZX]/.test(statusOf(pid, "State"));

let containers = 0;
/** A container under way, until stopped. */
export class Contained {
  readonly #name = `hello-${process.pid}-${containers++}`;
  readonly #runner;
  readonly hello: Hello;

  constructor(runners: Runners, restrictions: Restrictions, args: readonly string[]) {
    const found = runners.for(restrictions, this.#name);
    if (!found) throw new Error(`Nothing here can run ${JSON.stringify(restrictions)}`);
    this.#runner = found.runner;
    const [entry = "", ...wrapper] = found.command.toReversed();
    this.hello = new Hello(args, { wrapper: wrapper.reverse(), executable: entry });
  }

  get pid(): number {
    return this.#runner.mainProcess(this.#name, this.hello.pid);
  }

  /** The capabilities that its threads have once they have given up what is not needed, which `-v` says: BPF. */
  async kept(): Promise<string[]> {
    await this.hello.until(({ stderr }) => stderr.includes("capabilities kept: "));
    const left = threadPrivileges(this.pid).reduce((all, { effective, permitted }) => all | effective | permitted, 0n);
    const names = Object.keys(CAPABILITIES).filter((name) => left & (1n << BigInt(CAPABILITIES[name] ?? 0)));
    return names.map((name) => name.replace("CAP_", ""));
  }

  /** Stops it; how many milliseconds later its process was gone, and how it ended. Nothing the runner does after counts. */
  async stop() {
    const main = this.pid;
    const asked = performance.now();
    const stopping = this.#runner.stop(this.#name, this.hello.pid);
    while (isRunning(main)) await Bun.sleep(2);
    const took = performance.now() - asked;
    const ended = await this.hello.ended();
    await stopping;
    return { ...ended, took };
  }
}
