// hello-ebpf run FILE: an object of the user's, attached by its sections, its events and tables shown until stopped.

import { Option, type Command as Parser } from "commander";
import { parsePair } from "../any-object/globals.ts";
import type { ObjectSettings } from "../any-object/settings.ts";
import { startObject } from "../any-object/start.ts";
import { newCommand, parseArguments, splitCommand, valued } from "../command-line.ts";
import { run as runUntilEnd } from "../run.ts";
import { parseDuration, parseInteger, parseSeconds, parseSize } from "../units.ts";
import type { Command, Prepared } from "./command.ts";

type Pairs = readonly (readonly [string, string])[];

/** An option that may be given more than once. */
const pairs = (flags: string, description: string) =>
  new Option(flags, description)
    .argParser((text: string, before: Pairs) => [...before, valued(parsePair)(text)])
    .default([], "none");

function commandLine(): Parser {
  return newCommand("hello-ebpf run")
    .description("Loads an object, attaches its programs by their sections, and shows what comes out.")
    .usage("[options] FILE [-- CMD ARGS]")
    .argument("<file>", "a compiled eBPF object")
    .addOption(pairs("--set <name=value>", "sets a global variable before the object is loaded"))
    .addOption(pairs("--event <map=struct>", "the struct of a buffer's records"))
    .addOption(pairs("--target <program=target>", "what a program is attached to, where its section does not say it"))
    .option("--btf <file>", "relocate against these types (BTF, raw or in an ELF file), not the kernel's")
    .option("--trace", "also the lines of bpf_printk", false)
    .option("--strict", "end where one program cannot be attached", false)
    .option("--interval <s>", "seconds between two tables (default: 2)", valued(parseSeconds))
    .option(
      "--count <n>",
      "end after so many events, or tables where there are no buffers",
      valued((text) => parseInteger(text, 1, 2 ** 53 - 1)),
    )
    .option("--duration <t>", "end after a time, such as 500ms, 10s or 2m", valued(parseDuration))
    .option(
      "--buffer-size <bytes>",
      "of each ring, and of each CPU's perf buffer, such as 64K or 8M",
      valued(parseSize),
    )
    .addOption(new Option("--output <format>", "how to print").choices(["text", "jsonl"]).default("text"))
    .option("--keep-privileges", "keep the capabilities that are not needed after attaching", false)
    .option(
      "-v, --verbose",
      "also where each program is attached, and the verifier's whole log where it refuses",
      false,
    )
    .addHelpText("after", "\nExit status: as without a command, see hello-ebpf --help.");
}

export const run: Command = {
  name: "run",
  description: "loads and attaches an object of yours and shows what comes out",
  prepare(argv): Prepared | undefined {
    const { ours, command } = splitCommand(argv);
    const parser = commandLine();
    if (!parseArguments(parser, ours)) return undefined;
    const settings = { ...parser.opts(), file: parser.args[0], command } as ObjectSettings;
    return {
      format: settings.output,
      verbose: settings.verbose,
      run: (around) => runUntilEnd(settings, (report) => startObject(settings, report), around),
    };
  },
};
