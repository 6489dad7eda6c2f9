// What every command line here has in common: one error of one line for whatever is wrong with it.

import { Command, CommanderError, InvalidArgumentError } from "commander";
import { UsageError } from "./exit-status.ts";
import { writeWhole } from "./output.ts";

/** A command that neither ends the process nor writes to standard error by itself. */
export function newCommand(name: string): Command {
  return new Command(name)
    .helpOption("-h, --help", "print this help")
    .allowExcessArguments(false)
    .exitOverride()
    .configureOutput({ writeErr: () => {}, writeOut: (text) => writeWhole(1, text) });
}

/** What stands before `--`, and the command behind it. Throws UsageError where there is none behind it. */
export function splitCommand(argv: readonly string[]): { ours: readonly string[]; command: readonly string[] } {
  const dashes = argv.indexOf("--");
  if (dashes < 0) return { ours: argv, command: [] };
  const command = argv.slice(dashes + 1);
  if (command.length === 0) throw new UsageError("Expected a command after --");
  const odd = command.findIndex((argument) => !argument.isWellFormed());
  if (odd >= 0) throw new UsageError(`Expected a command in UTF-8: its argument ${odd} is not, and would be changed`);
  return { ours: argv.slice(0, dashes), command };
}

/** Whether there is something left to run: not after --help or --version. Throws UsageError. */
export function parseArguments(command: Command, argv: readonly string[]): boolean {
  try {
    command.parse(argv, { from: "user" });
    return true;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return false;
    throw new UsageError(error.message.replace(/^error: /, "").replaceAll("\n", " "));
  }
}

/** commander adds the option's name to what goes wrong in its value. */
export function valued<T>(parse: (text: string) => T): (text: string) => T {
  return (text) => {
    try {
      return parse(text);
    } catch (error) {
      throw error instanceof UsageError ? new InvalidArgumentError(error.message) : error;
    }
  };
}
