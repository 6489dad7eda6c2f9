// A container under way, as what README.md recommends or otherwise, and what its process has left once attached.

import { expect } from "bun:test";
import { readFileSync } from "node:fs";
import { CAPABILITIES } from "elf-loader/uapi";
import { Hello, threadPrivileges } from "../kernel/support.ts";
import { type Restrictions, type Runners, SECCOMP } from "./runners.ts";

/** What README.md recommends. */
export const LEAST: Restrictions = { capabilities: ["BPF", "PERFMON"], readOnly: true, seccomp: SECCOMP };
export const with_ = (more: Restrictions): Restrictions => ({ ...LEAST, ...more });

/** Capabilities, mounts and user of a run, as scripts/release/privileges.ts reads them. */
function cells({ capabilities = [], tracefs, bpffs, user }: Restrictions): string {
  const mounts = [tracefs && "tracefs", bpffs && "bpffs"].filter(Boolean);
  return [capabilities.join(",") || "-", mounts.join(",") || "-", user === undefined ? "root" : "any"].join(" ");
}

/** A mode that did all that it is for, with what it had, and what it keeps. */
export const privilegesLine = (mode: string, restrictions: Restrictions, kept: readonly string[]): string =>
  `PRIVILEGES ${mode} ${cells(restrictions)} ${kept.join(",") || "-"}`;

export const NOBODY = 65534;

/** The same with one thing less, a capability, what is mounted, or root; and what is to be said of that. */
function withLess(all: Restrictions): [less: Restrictions, said: string][] {
  const { capabilities = [], tracefs, bpffs, user } = all;
  const less = (change: Restrictions, said: string): [Restrictions, string] => [{ ...all, ...change }, said];
  const others = (name: string) => capabilities.filter((other) => other !== name);
  return [
    ...capabilities.map((name) => less({ capabilities: others(name) }, flagFor(name))),
    ...(tracefs ? [less({ tracefs: undefined }, "--volume=/sys/kernel/tracing:")] : []),
    ...(bpffs ? [less({ bpffs: undefined }, "--volume=/sys/fs/bpf:")] : []),
    ...(user === undefined ? [less({ user: NOBODY }, "")] : []),
  ];
}

/** Who has not SYS_ADMIN is told of the capability that does instead of it. */
const flagFor = (name: string) => `--cap-add=${name === "SYS_ADMIN" ? "BPF" : name}`;

/** A mode with one thing less than it needs, whichever that is, ends before it attaches, and says why; each as a line for the table. */
export async function refusedWithLess(
  runners: Runners,
  mode: string,
  restrictions: Restrictions,
  options: readonly string[] = [],
): Promise<string[]> {
  const lines: string[] = [];
  for (const [less, said] of withLess(restrictions).filter(([less]) => runners.for(less, "probe"))) {
    const { hello } = new Contained(runners, less, ["--mode", mode, "--duration", "1ms", ...options]);
    const { status, stdout, stderr } = await hello.ended();
    const seen = { had: cells(less), refused: status === 3 || status === 1, stdout, lines: stderr.split("\n").length };
    expect({ ...seen, stderr }).toEqual({
      ...seen,
      refused: true,
      stdout: "",
      lines: 2,
      stderr: expect.stringContaining(said),
    });
    lines.push(`REFUSED ${mode} ${cells(less)}`);
  }
  return lines;
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
