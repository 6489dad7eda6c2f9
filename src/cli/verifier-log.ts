// The verifier's words: where those go that a user asked for (a file, made anew, or standard error), and what of them
// stands behind a refusal that nobody asked more of.

import { appendFileSync, writeFileSync } from "node:fs";
import { type BpfError, BpfRuntimeError } from "../index.ts";
import { type Report, sayOnStderr } from "./report.ts";

/** Takes a log, and what it is of. */
export type LogSink = (title: string, log: string) => void;

/** How long a line waits for a slow reader of standard error: who asked for the log wants all of it. */
const PATIENCE_MS = 60_000;

/** Throws BpfRuntimeError where the file cannot be written. undefined: nobody asked. */
export function openLog(path: string | undefined, report: Report): LogSink | undefined {
  if (path === undefined) return undefined;
  if (path === "-") {
    return (title, log) => {
      report.note(title);
      for (const line of logLines(log)) sayOnStderr(line, PATIENCE_MS);
    };
  }
  written(path, () => writeFileSync(path, ""));
  return (title, log) => written(path, () => appendFileSync(path, `${title}\n${log.trimEnd()}\n`));
}

/** On standard error, what the verifier said of a refused program: its last lines, or with `whole` all. */
export function sayRefusal({ log = "" }: BpfError, whole: boolean): void {
  if (log === "") return;
  const lines = logLines(log);
  const said = whole ? lines : lines.slice(-LAST_LINES);
  const part = said.length < lines.length ? `the last ${said.length} of ${lines.length} lines of ` : "";
  const more = part ? " (-v: all)" : "";
  for (const line of [`${part}the verifier's log${more}:`, ...said]) if (!sayOnStderr(line)) return;
}

/** The verdict, what led to it, and the verifier's statistics. */
const LAST_LINES = 10;

const logLines = (log: string): string[] => log.trimEnd().split("\n");

const REASONS: { readonly [errno: string]: string } = {
  ENOENT: "there is no such folder",
  ENOTDIR: "a part of its path is no folder",
  EISDIR: "it is a folder",
  ENOSPC: "there is no room",
  EROFS: "it is mounted for reading only",
};

function written(path: string, write: () => void): void {
  try {
    write();
  } catch (error) {
    const errno = (error as NodeJS.ErrnoException).code ?? "an unknown error";
    throw new BpfRuntimeError(`Cannot write the verifier's log to ${path}: write() gave ${errno}`, {
      ...{ call: "write()", errno, subject: path },
      likely: REASONS[errno] ?? "this user may not write there, or there is no room",
      action: "name another file, or - for standard error",
    });
  }
}
