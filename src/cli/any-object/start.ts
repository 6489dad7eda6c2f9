// The user's own object, loaded, attached by its sections, its buffers and maps read: one more thing that runs.

import { type Attachment, BpfObject, closeHint, type ObjectSpec } from "../../index.ts";
import { recursionMisses } from "../accounts.ts";
import { UsageError } from "../exit-status.ts";
import type { Running, Source } from "../modes/mode.ts";
import { readObject, readTypes } from "../object-file.ts";
import type { Report } from "../report.ts";
import { attachAll } from "./attach-all.ts";
import { bufferStreams, checkEvents, prepareBuffer } from "./buffers.ts";
import { setGlobals } from "./globals.ts";
import { isIterator, iteratorTables } from "./iterators.ts";
import type { ObjectSettings } from "./settings.ts";
import { objectSource } from "./source.ts";
import type { Table } from "./table.ts";
import { tablesOf } from "./tables.ts";
import { traceStream } from "./trace.ts";

/** Throws BpfError or UsageError; then nothing is left behind. */
export function startObject(settings: ObjectSettings, report: Report): Running {
  const spec = prepared(settings);
  for (const warning of spec.warnings) report.note(warning);
  const btf = settings.btf === undefined ? undefined : readTypes(settings.btf);
  const object = BpfObject.load(spec, { btf });
  const lost = { count: 0 };
  const onLost = (cpu: number, count: number) => {
    lost.count += count;
    report.lost(cpu, count);
  };
  const opened: { close(): void }[] = [object];
  try {
    const events = new Map(settings.event);
    const streams = bufferStreams(object, { events, size: settings.bufferSize, onLost }, report);
    opened.push(...streams);
    if (settings.trace) streams.push(traceStream(report));
    const tables = tablesOf(object);
    const source = objectSource(streams, tables, settings, report);
    const links = attachAll(object, settings.strict, settings.verbose, report);
    tables.push(...iteratorTables(links));
    return running(object, source, tables, links, lost);
  } catch (error) {
    for (const thing of opened.reverse()) thing.close();
    throw error;
  }
}

/** The object as the command line wants it. */
function prepared(settings: ObjectSettings): ObjectSpec {
  const spec = readObject(settings.file);
  setGlobals(spec, settings.set);
  checkEvents(spec, new Map(settings.event));
  for (const [name, target] of settings.target) {
    const program = spec.programs.get(name);
    if (!program)
      throw new UsageError(
        `Cannot use --target ${name}=${target}: the object has no program ${name}${closeHint(name, [...spec.programs.keys()])}`,
      );
    program.target = target;
  }
  for (const map of spec.maps.values()) prepareBuffer(map, settings.bufferSize);
  return spec;
}

function running(
  object: BpfObject,
  source: Source,
  tables: readonly Table[],
  links: readonly Attachment[],
  lost: { count: number },
): Running {
  // What iterators say is asked for at the end too; nothing comes of them by itself.
  const detach = () => {
    for (const link of links) if (!isIterator(link)) link.close();
  };
  return {
    source,
    // The programs keep no accounts of ours: what they produced is what came, and what the kernel says it lost.
    accounts: () => ({ produced: source.received() + lost.count, lost: lost.count }),
    needed() {
      for (const table of tables) table.touch();
    },
    missed: () => recursionMisses(object),
    detach,
    [Symbol.dispose]() {
      for (const link of links) link.close();
      object.close();
      source[Symbol.dispose]();
    },
  };
}
