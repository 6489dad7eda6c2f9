// The command line, checked before anything is touched.

import { type Command, Option } from "commander";
import { closeHint, SYSCALL_HOOKS, syscallNames, syscallNumber } from "../index.ts";
import { addCidr, type Cidr } from "./cidr.ts";
import { newCommand, parseArguments, splitCommand, valued } from "./command-line.ts";
import { COMMANDS } from "./commands/index.ts";
import { UsageError } from "./exit-status.ts";
import { FILTER_OPTIONS } from "./filter-options.ts";
import { MODES } from "./modes/index.ts";
import type { Mode } from "./modes/mode.ts";
import { DEFAULT_SYSCALL, type OwnOption, type Settings } from "./settings.ts";
import { parseDuration, parseInteger, parseSeconds, parseSize } from "./units.ts";
import { version } from "./version.ts";

/** The options with the mode they are for. */
export interface Invocation extends Settings {
  readonly mode: Mode;
}

const LARGEST_PID = 2 ** 22; // PID_MAX_LIMIT, include/linux/threads.h

function parseSyscall(text: string): string {
  if (syscallNumber(text) !== undefined) return text;
  const hint = closeHint(text, syscallNames());
  throw new UsageError(`No system call of this machine is called ${JSON.stringify(text)}${hint}`);
}

/** Of a map: more would be gigabytes. */
const MOST_ENTRIES = 2 ** 20;

/** The times of so many calls are kept for each user. */
const LARGEST_RATE = 100_000;

const addCidrOption = (text: string, before?: readonly Cidr[]) => valued((given) => addCidr(given, before))(text);

/** The options that only some modes have a use for, by the name of their setting. */
export const OWN_OPTIONS: { readonly [name in OwnOption]: Option } = {
  interval: new Option(
    "--interval <s>",
    "map, queue, stack, lru, lpm, map-of-maps, devmap: seconds between two looks (default: 2); chain: over which is counted (default: 1)",
  ).argParser(valued(parseSeconds)),
  bufferSize: new Option(
    "--buffer-size <bytes>",
    "ring, bloom: the buffer's size, perf: each CPU's, such as 64K or 8M",
  ).argParser(valued(parseSize)),
  entries: new Option(
    "--entries <n>",
    "queue, stack, lru, bloom: what the kernel's map holds (default: 10240)",
  ).argParser(valued((text) => parseInteger(text, 1, MOST_ENTRIES))),
  top: new Option("--top <n>", "lru: so many commands (default: 10)").argParser(
    valued((text) => parseInteger(text, 1, MOST_ENTRIES)),
  ),
  cidr: new Option("--cidr <prefix=name>", "lpm: a class of addresses, 10.0.0.0/8=office; repeatable").argParser(
    addCidrOption,
  ),
  limit: new Option("--limit <n>", "chain: how many calls a user may make in one interval (default: 100)").argParser(
    valued((text) => parseInteger(text, 0, LARGEST_RATE)),
  ),
  listen: new Option("--listen <address>", "sockmap: where connections are taken, such as 127.0.0.1:8080"),
  from: new Option("--from <interface>", "devmap: one interface"),
  to: new Option("--to <where>", "sockmap: where they go on to, such as 127.0.0.1:80; devmap: the other interface"),
  xdp: new Option("--xdp <how>", "devmap: by the driver or, slower, by any (default: the driver where it can)").choices(
    ["native", "generic"],
  ),
  pin: new Option("--pin <folder>", "config: where the filters are kept, on a bpffs (default: /sys/fs/bpf)"),
};

function commandLine(): Command {
  const modes = MODES.map(({ name, description }) => `  ${name.padEnd(12)} ${description}`).join("\n");
  const commands = COMMANDS.map(({ name, description }) => `  ${name.padEnd(12)} ${description}`).join("\n");
  const command = newCommand("hello-ebpf")
    .description("Shows system calls as the kernel makes them, by eBPF, with nothing else installed.")
    .usage("--mode MODE [options] [-- CMD ARGS]")
    .addOption(new Option("--mode <mode>", "what to show").choices(MODES.map(({ name }) => name)))
    .addOption(new Option("--attach <hook>", "where to attach").choices(["auto", ...SYSCALL_HOOKS]).default("auto"))
    .option("--syscall <name>", "the system call to watch", valued(parseSyscall), DEFAULT_SYSCALL)
    .option(
      "--count <n>",
      "end after so many events, or tables where tables are shown",
      valued((text) => parseInteger(text, 1, 2 ** 53 - 1)),
    )
    .option("--duration <t>", "end after a time, such as 500ms, 10s or 2m", valued(parseDuration))
    .addOption(FILTER_OPTIONS.uid)
    .option(
      "--pid <n>",
      "only this process's calls",
      valued((text) => parseInteger(text, 1, LARGEST_PID)),
    )
    .addOption(FILTER_OPTIONS.comm);
  for (const option of Object.values(OWN_OPTIONS)) command.addOption(option);
  return command
    .addOption(new Option("--output <format>", "how to print").choices(["text", "jsonl"]).default("text"))
    .option("--keep-privileges", "keep the capabilities that are not needed after attaching")
    .option("-v, --verbose", "also what is kept of the capabilities, and the verifier's whole log where it refuses")
    .version(`hello-ebpf ${version}`, "--version", "print the version")
    .addHelpText("after", `\nModes:\n${modes}\n\nCommands, each with --help:\n${commands}\n\n${EXIT_HELP}`);
}

const EXIT_HELP = `After -- comes a command: it is started once attached and traced until it ends.

Exit status: 0 done, 1 failed while running, 2 bad usage, 3 not permitted, 4 the kernel
lacks something, 5 object refused, 6 could not attach; with -- CMD its own status
(126: cannot be executed, 127: not found).`;

/** The options, or undefined where --help or --version was all. Throws UsageError. */
export function parseOptions(argv: readonly string[]): Invocation | undefined {
  const { ours, command } = splitCommand(argv);
  const parser = commandLine();
  if (!parseArguments(parser, ours)) return undefined;
  const { mode: name, verbose = false, keepPrivileges = false, ...rest } = parser.opts();
  const mode = MODES.find((row) => row.name === name);
  if (!mode) throw new UsageError("Expected --mode MODE");
  return {
    mode,
    verbose,
    keepPrivileges,
    command,
    ...(rest as Omit<Settings, "verbose" | "keepPrivileges" | "command">),
  };
}
