// hello-ebpf load FILE…: whether this kernel takes each object, as bpf_object__load would; nothing stays loaded.

import { Option } from "commander";
import { BpfError, BpfObject, type Btf, type ObjectSpec } from "../../index.ts";
import { newCommand, parseArguments } from "../command-line.ts";
import { escapeMessage } from "../escape.ts";
import { EXIT } from "../exit-status.ts";
import { readObject, readTypes } from "../object-file.ts";
import { errorFields, oneLine, type Report } from "../report.ts";
import type { Format } from "../settings.ts";
import { type LogSink, openLog } from "../verifier-log.ts";
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
      .option("-v, --verbose", "the verifier's log of what it refuses, on standard error")
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
  const refusals = settings.verifierLog === undefined && settings.verbose ? openLog("-", report) : log;
  let refused = 0;
  for (const path of paths) {
    if (endings.ending) break;
    report.turn();
    if (!loadOne(path, btf, report, log, refusals)) refused++;
    await output.flush();
  }
  return endings.ending?.status ?? (refused > 0 ? EXIT.object : EXIT.done);
}

/** Says what came of one object; whether it was loaded. */
function loadOne(path: string, btf: Btf | undefined, report: Report, log?: LogSink, refusals?: LogSink): boolean {
  let spec: ObjectSpec | undefined;
  try {
    spec = readObject(path);
    for (const map of spec.maps.values()) map.pinning = "none"; // nothing stays, nor is anything of others touched
    using object = BpfObject.load(spec, { btf, onLog: log && ((program, text) => log(`${path}: ${program}`, text)) });
    const { programs, maps } = counts(spec);
    const loaded = object.programs.size;
    report.record("load", { object: path, ok: true, programs, loaded, maps }, () =>
      escapeMessage(`${path}: ok, ${loaded} of ${programs} programs, ${maps} maps`),
    );
    return true;
  } catch (error) {
    if (!(error instanceof BpfError)) throw error;
    const { programs, maps } = counts(spec);
    report.record("load", { object: path, ok: false, programs, loaded: 0, maps, error: errorFields(error) }, () =>
      escapeMessage(`${path}: ${oneLine(error)}`),
    );
    if (error.log) refusals?.(`${path}: ${error.subject ?? "refused"}`, error.log);
    return false;
  }
}

/** What an object has; nothing where its bytes could not be read. */
const counts = (spec: ObjectSpec | undefined) => ({ programs: spec?.programs.size ?? 0, maps: spec?.maps.size ?? 0 });
