// One run of a mode, as the command line chose it.

import type { Surroundings } from "./commands/command.ts";
import { type Invocation, OWN_OPTIONS } from "./options.ts";
import type { Report } from "./report.ts";
import { run } from "./run.ts";
import { CALL_DEFAULTS, type OwnOption } from "./settings.ts";

/** The status to end with. Throws BpfError or StatusError. */
export function runMode(options: Invocation, surroundings: Surroundings): Promise<number> {
  const { mode, attach } = options;
  const start = (report: Report) => {
    const running = mode.start(options, report);
    report.attached(mode.name, attach, running.attached);
    sayWithoutEffect(options, report); // not before: what fails is one line
    return running;
  };
  return run(options, start, surroundings);
}

/** Options that only other modes have a use for are no mistake that should stop anybody. */
function sayWithoutEffect(options: Invocation, report: Report): void {
  for (const name of Object.keys(OWN_OPTIONS) as OwnOption[]) {
    if (options[name] !== undefined && !options.mode.uses.includes(name))
      report.note(`${OWN_OPTIONS[name].long} has no effect in ${options.mode.name} mode`);
  }
  for (const name of options.mode.ignores ?? [])
    if (options[name] !== CALL_DEFAULTS[name]) report.note(`--${name} has no effect in ${options.mode.name} mode`);
}
