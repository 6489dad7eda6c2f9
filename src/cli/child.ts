// The command after `--`: started once attached, traced until it ends.

import { constants } from "node:os";
import { StatusError } from "./exit-status.ts";

const NOT_FOUND = 127; // as env(1), nohup(1) and the shell
const NOT_EXECUTABLE = 126;
/** How long a command may take to end after SIGTERM before we leave it. */
const PATIENCE_MS = 100;

export class Child {
  readonly #process: Bun.Subprocess;
  #ended = false;
  #terminated: Promise<void> | undefined;

  /** Shares our standard streams. `onEnd` gets its status: 128 and the signal's number where a signal ended it. */
  constructor(command: readonly string[], onEnd: (status: number) => void) {
    try {
      this.#process = Bun.spawn([...command], {
        stdio: ["inherit", "inherit", "inherit"],
        onExit: (_process, exitCode, signal) => {
          this.#ended = true;
          onEnd(exitCode ?? 128 + signalNumber(signal));
        },
      });
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      const cannot = `Cannot start ${command[0]}`;
      throw code === "ENOENT"
        ? new StatusError(`${cannot}: ${code}: no such program; give its path, or a name that is in PATH`, NOT_FOUND)
        : new StatusError(`${cannot}: ${code ?? error}: it is no program for this user; chmod +x it`, NOT_EXECUTABLE);
    }
  }

  /** SIGTERM, if it still runs, and a moment to end; once, however often it is called. */
  terminate(): Promise<void> {
    this.#terminated ??= this.#terminate();
    return this.#terminated;
  }

  async #terminate(): Promise<void> {
    if (this.#ended) return;
    this.#process.kill("SIGTERM");
    await Promise.race([this.#process.exited, Bun.sleep(PATIENCE_MS)]);
    this.#process.unref();
  }
}

function signalNumber(signal: number | string | null): number {
  if (typeof signal === "number") return signal;
  return constants.signals[signal as NodeJS.Signals] ?? 0;
}
