// The executable: from the command line to the exit status.

import { BpfError } from "../index.ts";
import { Endings } from "./endings.ts";
import { EXIT, exitStatusOf, UsageError } from "./exit-status.ts";
import { type Invocation, parseOptions } from "./options.ts";
import { Output } from "./output.ts";
import { oneLine, Report, sayOnStderr } from "./report.ts";
import { run } from "./run.ts";

async function main(argv: readonly string[]): Promise<number> {
  const endings = new Endings();
  endings.listen();
  const options = readOptions(argv);
  if (typeof options === "number") return options;
  const output = new Output(1, () => endings.end({ status: EXIT.done }));
  const report = new Report(output, options.output);
  try {
    return await run(options, report, output, endings);
  } catch (error) {
    const status = exitStatusOf(error);
    sayOnStderr(`hello-ebpf: ${oneLine(error)}`);
    if (options.verbose && error instanceof BpfError)
      for (const line of error.log?.split("\n") ?? []) sayOnStderr(line);
    report.error(error, status);
    await output.flush();
    return status;
  } finally {
    output.close();
  }
}

/** The options, or the status where there is nothing to run. */
function readOptions(argv: readonly string[]): Invocation | number {
  try {
    return parseOptions(argv) ?? EXIT.done;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    sayOnStderr(`hello-ebpf: ${error.message}; try hello-ebpf --help`);
    return EXIT.usage;
  }
}

process.exit(await main(process.argv.slice(2)));
