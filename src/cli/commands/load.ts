// hello-ebpf load FILE…: whether this kernel takes each object, as bpf_object__load would; nothing stays loaded.

import { Option } from "commander";
import { BpfError, BpfObject, type Btf, type ObjectSpec } from "../../index.ts";
import { newCommand, parseArguments } from "../command-line.ts";
import { escapeMessage } from "../escape.ts";
import { EXIT } from "../exit-status.ts";
import { readObject, readTypes } from "../object-file.ts";
import { errorFields, oneLine, type Report } from "../report.ts";
import type { Format } from "../settings.ts";
import { type LogSink, openLog, sayRefusal } from "../verifier-log.ts";
import type { Command, Prepared, Surroundings } from "./command.ts";

interface LoadSettings {
  readonly output: Format;
  /** The types to relocate against. */
  readonly btf?: string;
  /** Where the verifier's words go: a path, or - for standard error. */
  readonly verifierLog?: string;
  readonly verbose?: boolean;
}

export const load: Command = {
  name: "load",
  description: "loads objects, says what came of each, and releases them",
  prepare(argv): Prepared | undefined {
    const command = newCommand("hello-ebpf load")
      .description("Loads each object as it is, every map and every program that autoloads, and releases it.")
      .argument("<file...>", "compiled eBPF objects")
      .option("--btf <file>", "relocate against these types (BTF, raw or in an ELF file), not the kernel's")
      .option("--verifier-log <file>", "the verifier's whole log of each program, - for standard error")
      .addOption(new Option("--output <format>", "how to print").choices(["text", "jsonl"]).default("text"))
      .option("-v, --verbose", "the verifier's whole log of what it refuses, not its last ten lines")
      .addHelpText("after", "\nExit status: 0 all were loaded, 5 one was not, 2 bad usage.");
    if (!parseArguments(command, argv)) return undefined;
    const settings = command.opts<LoadSettings>();
    return { format: settings.output, run: (around) => loadAll(command.args, settings, around) };
  },
};

/** One after the other, each released before the next: one bad object never stops the rest. */
async function loadAll(paths: readonly string[], settings: LoadSettings, { report, output, endings }: Surroundings) {
  const btf = settings.btf === undefined ? undefined : readTypes(settings.btf);
  const log = openLog(settings.verifierLog, report);
  let refused = 0;
  for (const path of paths) {
    if (endings.ending) break;
    report.turn();
    const error = loadOne(path, btf, report, log);
    if (error) refused++;
    await output.flush();
    if (error?.log) sayLog(`${path}: ${error.subject ?? "refused"}`, error, settings, report, log);
  }
  return endings.ending?.status ?? (refused > 0 ? EXIT.object : EXIT.done);
}

/** What the verifier said of a program that it refused: to where its words were asked for, and its last ones in any case. */
function sayLog(title: string, error: BpfError, settings: LoadSettings, report: Report, log?: LogSink): void {
  log?.(title, error.log ?? "");
  if (settings.verifierLog === "-") return;
  report.note(title);
  sayRefusal(error, settings.verbose ?? false);
}

/** Says what came of one object; why it was refused, undefined where it was loaded. */
function loadOne(path: string, btf: Btf | undefined, report: Report, log?: LogSink): BpfError | undefined {
  let spec: ObjectSpec | undefined;
  try {
    spec = readObject(path);
    for (const warning of spec.warnings) report.note(`${path}: ${warning}`);
    for (const map of spec.maps.values()) map.pinning = "none"; // nothing stays, nor is anything of others touched
    using object = BpfObject.load(spec, { btf, onLog: log && ((program, text) => log(`${path}: ${program}`, text)) });
    const { programs } = counts(spec);
    const [loaded, maps] = [object.programs.size, object.maps.size];
    report.record("load", { object: path, ok: true, programs, loaded, maps }, () =>
      escapeMessage(`${path}: ok, ${loaded} of ${programs} programs, ${maps} maps`),
    );
    return undefined;
  } catch (error) {
    if (!(error instanceof BpfError)) throw error;
    const { programs, maps } = counts(spec);
    report.record("load", { object: path, ok: false, programs, loaded: 0, maps, error: errorFields(error) }, () =>
      escapeMessage(`${path}: ${oneLine(error)}`),
    );
    return error;
  }
}

/** What an object has; nothing where its bytes could not be read. */
const counts = (spec: ObjectSpec | undefined) => ({ programs: spec?.programs.size ?? 0, maps: spec?.maps.size ?? 0 });
