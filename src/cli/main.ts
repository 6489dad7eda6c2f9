// The executable: from the command line to the exit status.

import { BpfError, closeHint } from "../index.ts";
import { commandLineArguments } from "./arguments.ts";
import { timestamp } from "./clock.ts";
import type { Prepared } from "./commands/command.ts";
import { COMMANDS } from "./commands/index.ts";
import { Endings } from "./endings.ts";
import { EXIT, exitStatusOf, UsageError } from "./exit-status.ts";
import { jsonLine } from "./json.ts";
import { MODES } from "./modes/index.ts";
import { parseOptions } from "./options.ts";
import { Output, writeWhole } from "./output.ts";
import { errorFields, oneLine, Report, sayOnStderr } from "./report.ts";
import { runMode } from "./run-mode.ts";
import { sayRefusal } from "./verifier-log.ts";

async function main(argv: readonly string[]): Promise<number> {
  const endings = new Endings();
  endings.listen();
  const prepared = understand(argv);
  if (typeof prepared === "number") return prepared;
  const output = new Output(1, () => endings.end({ status: EXIT.done }));
  const report = new Report(output, prepared.format);
  try {
    return await prepared.run({ output, report, endings });
  } catch (error) {
    const status = exitStatusOf(error);
    sayOnStderr(`hello-ebpf: ${oneLine(error)}`);
    if (error instanceof BpfError) sayRefusal(error, prepared.verbose ?? false);
    report.error(error, status);
    await output.flush();
    return status;
  } finally {
    output.close();
  }
}

/** What is to be run, or the status where there is nothing. */
function understand(argv: readonly string[]): Prepared | number {
  try {
    return prepare(argv) ?? EXIT.done;
  } catch (error) {
    if (!(error instanceof UsageError)) {
      sayOnStderr(`hello-ebpf: ${oneLine(error)}`);
      return exitStatusOf(error);
    }
    sayOnStderr(`hello-ebpf: ${error.message}; try hello-ebpf --help`);
    if (wantsJson(argv)) sayAsJson(error);
    return EXIT.usage;
  }
}

/** Before there is an output of ours; whoever has closed it does not want it. */
function sayAsJson(error: UsageError): void {
  const record = { type: "error", ts: timestamp(), status: EXIT.usage, ...errorFields(error) };
  try {
    writeWhole(1, `${jsonLine(record)}\n`);
  } catch {}
}

/** Whether the command line, though it was not understood, asks for JSON lines. */
function wantsJson(argv: readonly string[]): boolean {
  const ours = argv.includes("--") ? argv.slice(0, argv.indexOf("--")) : argv;
  return ours.some((word, i) => word === "--output=jsonl" || (word === "jsonl" && ours[i - 1] === "--output"));
}

/** A command by its name, or else a mode. */
function prepare(argv: readonly string[]): Prepared | undefined {
  const [first, ...rest] = argv;
  const command = COMMANDS.find(({ name }) => name === first);
  if (command) return command.prepare(rest);
  if (first !== undefined && !first.startsWith("-")) throw noCommand(first);
  const options = parseOptions(argv);
  return options && { format: options.output, verbose: options.verbose, run: (around) => runMode(options, around) };
}

/** Somebody left the --mode out, or did not find a command's name. */
function noCommand(word: string): UsageError {
  if (MODES.some(({ name }) => name === word)) return new UsageError(`Expected --mode ${word}`);
  const names = COMMANDS.map(({ name }) => name);
  const close = closeHint(word, names);
  return new UsageError(`Expected --mode MODE or one of ${names.join(", ")}, got ${JSON.stringify(word)}${close}`);
}

process.exit(await main(commandLineArguments()));
