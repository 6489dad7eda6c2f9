// Boots one guest under QEMU and listens to it: the kernel's console on the first serial port, our init on the second.
//
// KVM is not used even where it is there: nested guests hang, and a run must not depend on the machine it is on.

import { readFileSync, rmSync } from "node:fs";
import type { Machine } from "./machines.ts";

/** What to boot and for how long. */
export interface Boot {
  readonly machine: Machine;
  readonly kernel: string;
  readonly initramfs: string;
  /** Where the kernel's console is kept while the guest runs. */
  readonly console: string;
  readonly nonce: string;
  readonly timeoutMs: number;
  readonly memoryMiB: number;
  /** Added to the kernel's command line; NAME=value becomes a variable of init's environment. */
  readonly kernelArguments: string;
  /** Each line of the second serial port as it comes, without the lines of init. */
  readonly onLine?: (line: string) => void;
}

/** How a guest ended, and what it said. */
export interface BootResult {
  /** Exit status of the guest's job; undefined when it never got that far. */
  readonly status: number | undefined;
  /** One line that says why, when status is undefined or the kernel complained. */
  readonly trouble: string | undefined;
  /** All lines of the second serial port up to the report, then the lines of the report. */
  readonly output: readonly string[];
  readonly report: readonly string[];
  readonly elapsedMs: number;
}

/** Words of a kernel that is in trouble, whatever its tests say. */
const COMPLAINTS =
  /Kernel panic|\bOops\b|BUG: |general protection fault|WARNING: .*(at|CPU)|rcu.*stall|hung task|Out of memory/;
const FATAL = /\bOops\b|soft lockup/;

function command(boot: Boot): string[] {
  const { machine } = boot;
  const kernelCommand = `console=${machine.console} quiet panic=-1 oops=panic softlockup_panic=1 mitigations=off nokaslr random.trust_cpu=on`;
  const append = `${kernelCommand} ${boot.kernelArguments}`.trim();
  return [
    ...[machine.qemu, ...machine.arguments, "-accel", "tcg,thread=multi", "-smp", "2", "-m", `${boot.memoryMiB}`],
    ...["-nodefaults", "-no-user-config", "-display", "none", "-monitor", "none", "-nic", "none", "-no-reboot"],
    ...["-kernel", boot.kernel, "-initrd", boot.initramfs, "-append", append],
    ...["-serial", `file:${boot.console}`, ...machine.serial],
  ];
}

/** Splits what init says from what the job says. */
class Listener {
  readonly output: string[] = [];
  readonly report: string[] = [];
  status: number | undefined;
  #reporting = false;
  #rest = "";

  readonly #boot: Boot;

  constructor(boot: Boot) {
    this.#boot = boot;
  }

  feed(text: string): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) this.#line(line.replace(/\r$/, ""));
  }

  #line(line: string): void {
    const exit = new RegExp(`^${this.#boot.nonce} exit (\\d+)$`).exec(line);
    if (exit) this.status = Number(exit[1]);
    else if (line === `${this.#boot.nonce} report`) this.#reporting = true;
    else if (this.#reporting) this.report.push(line);
    else {
      this.output.push(line);
      this.#boot.onLine?.(line);
    }
  }
}

/** The last lines of the console that say something, for a guest that ended without a word. */
function troubleIn(console: string, timedOut: boolean, finished: boolean): string | undefined {
  const lines = readFileSync(console, "latin1")
    .split(/\r?\n/)
    .filter((line) => line.trim() !== "");
  // What it dies of says more than what it warned of before: a lost interrupt is an RCU stall first.
  const complaint = lines.find((line) => FATAL.test(line)) ?? lines.find((line) => COMPLAINTS.test(line));
  if (complaint) return `the kernel says: ${complaint.trim()}`;
  if (finished) return undefined;
  return `${timedOut ? "timed out" : "ended without a result"}; console: ${lines.slice(-3).join(" | ") || "empty"}`;
}

/** Boots a guest, waits for its end (at most timeoutMs) and answers what came of it. Never throws for what a guest does. */
export async function boot(options: Boot): Promise<BootResult> {
  const start = performance.now();
  const listener = new Listener(options);
  rmSync(options.console, { force: true });
  await Bun.write(options.console, "");
  const qemu = Bun.spawn(command(options), { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    qemu.kill("SIGKILL");
  }, options.timeoutMs);
  const stop = () => qemu.kill("SIGKILL");
  process.on("exit", stop);
  const said = new Response(qemu.stderr).text();
  const decoder = new TextDecoder();
  for await (const chunk of qemu.stdout) listener.feed(decoder.decode(chunk, { stream: true }));
  await qemu.exited;
  clearTimeout(timer);
  process.off("exit", stop);
  const { status, output, report } = listener;
  const refusal = status === undefined && !timedOut ? (await said).trim().split("\n").at(-1) : "";
  const trouble = refusal || troubleIn(options.console, timedOut, status !== undefined);
  return { status, trouble, output, report, elapsedMs: performance.now() - start };
}
