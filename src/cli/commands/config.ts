// hello-ebpf config: gives a run of --mode config other filters, without a restart.

import { join } from "node:path";
import { Option } from "commander";
import { BpfError } from "../../index.ts";
import { newCommand, parseArguments } from "../command-line.ts";
import { EXIT, StatusError } from "../exit-status.ts";
import { FILTER_OPTIONS } from "../filter-options.ts";
import {
  DEFAULT_PIN_FOLDER,
  describeFilters,
  FILTERS,
  type FilterMap,
  isUsed,
  openFilters,
  writeFilters,
} from "../filters.ts";
import type { Command, Prepared, Surroundings } from "./command.ts";

interface ConfigSettings {
  readonly uid?: number;
  readonly comm?: string;
  readonly pin: string;
  readonly output: "text" | "jsonl";
}

export const config: Command = {
  name: "config",
  description: "gives a running --mode config new filters; without any, it shows every call",
  prepare(argv): Prepared | undefined {
    const command = newCommand("hello-ebpf config")
      .description("Replaces the filters of every --mode config that runs on this folder.")
      .addOption(FILTER_OPTIONS.uid)
      .addOption(FILTER_OPTIONS.comm)
      .option("--pin <folder>", "where it keeps them, on a bpffs", DEFAULT_PIN_FOLDER)
      .addOption(new Option("--output <format>", "how to print").choices(["text", "jsonl"]).default("text"));
    if (!parseArguments(command, argv)) return undefined;
    const settings = command.opts<ConfigSettings>();
    return { format: settings.output, run: (around) => replace(settings, around) };
  },
};

const unused = (doing: string, path: string) =>
  new StatusError(
    `Cannot ${doing} ${path}: no --mode config runs there; start one, or say where by --pin`,
    EXIT.failed,
  );

/** The filters that are pinned there; throws where none are, or they may not be opened. */
function find(path: string): FilterMap {
  try {
    return openFilters(path);
  } catch (error) {
    throw error instanceof BpfError && error.errno === "ENOENT" ? unused("find", path) : error;
  }
}

async function replace(settings: ConfigSettings, { report, output }: Surroundings): Promise<number> {
  const path = join(settings.pin, FILTERS);
  using map = find(path);
  if (!isUsed(settings.pin)) throw unused("change", path); // a run that was killed has left them
  writeFilters(map, settings);
  const { uid, comm } = settings;
  report.record("config", { path, uid, comm }, () => `${path}: ${describeFilters(settings)}`);
  await output.flush();
  return EXIT.done;
}
