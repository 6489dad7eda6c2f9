// The command after `--`: started once attached, traced until it ends.

import { constants } from "node:os";
import { exhaustedBy, takeOrphans } from "../index.ts";
import { EXIT, StatusError } from "./exit-status.ts";

const NOT_FOUND = 127; // as env(1), nohup(1) and the shell
const NOT_EXECUTABLE = 126;
/** How long a command may take to end after SIGTERM before we leave it. */
const PATIENCE_MS = 100;
/** How often PID 1 takes away what ended without a parent. */
const ORPHANS_MS = 250;

export class Child {
  readonly #process: Bun.Subprocess;
  #ended = false;
  #terminated: Promise<void> | undefined;
  #orphans: NodeJS.Timeout | undefined;

  /** Shares our standard streams. `onEnd` gets its status: 128 and the signal's number where a signal ended it. */
  constructor(command: readonly string[], onEnd: (status: number) => void) {
    try {
      this.#process = Bun.spawn([...command], {
        stdio: ["inherit", "inherit", "inherit"],
        onExit: (_process, exitCode, signal) => {
          this.#ended = true;
          clearInterval(this.#orphans);
          onEnd(exitCode ?? 128 + signalNumber(signal));
        },
      });
    } catch (error) {
      throw cannotStart(command[0] ?? "", (error as NodeJS.ErrnoException).code ?? String(error));
    }
    // Else they would count against a container's limit of processes until the end.
    if (process.pid === 1) this.#orphans = setInterval(() => takeOrphans(this.#process.pid), ORPHANS_MS).unref();
  }

  /** SIGTERM, if it still runs, and a moment to end; once, however often it is called. */
  terminate(): Promise<void> {
    this.#terminated ??= this.#terminate();
    return this.#terminated;
  }

  /** SIGKILL, at once. */
  kill(): void {
    if (!this.#ended) this.#process.kill("SIGKILL");
  }

  async #terminate(): Promise<void> {
    if (this.#ended) return;
    this.#process.kill("SIGTERM");
    await Promise.race([this.#process.exited, Bun.sleep(PATIENCE_MS)]);
    this.#process.unref();
  }
}

/** What execve(2) says, as status, likely cause and what to do. */
const REASONS: { readonly [errno: string]: readonly [status: number, likely: string, action: string] } = {
  ENOENT: [NOT_FOUND, "no such program, or its interpreter is missing", "give its path, or a name that is in PATH"],
  EACCES: [NOT_EXECUTABLE, "it is no program for this user", "chmod +x it"],
  EPERM: [NOT_EXECUTABLE, "this user may not execute it", "look at its mode and its mount's options"],
  ENOEXEC: [NOT_EXECUTABLE, "it is no program of this machine, and has no #! line", "begin a script with #!/bin/sh"],
  ELOOP: [NOT_EXECUTABLE, "its symbolic links go round in circles", "give the path of the program itself"],
  E2BIG: [NOT_EXECUTABLE, "its arguments and environment are too long", "give it less"],
  EAGAIN: [EXIT.failed, "there may be no more processes", "raise the limit (ulimit -u, pids.max)"],
};

function cannotStart(program: string, errno: string): StatusError {
  const want = exhaustedBy(errno);
  if (want) return new StatusError(`Cannot start ${program}: ${errno}: ${want.likely}; ${want.action}`, EXIT.failed);
  const [status, likely, action] = REASONS[errno] ?? [NOT_EXECUTABLE, "it cannot be executed", "try it without us"];
  return new StatusError(`Cannot start ${program}: ${errno}: ${likely}; ${action}`, status);
}

function signalNumber(signal: number | string | null): number {
  if (typeof signal === "number") return signal;
  return constants.signals[signal as NodeJS.Signals] ?? 0;
}
