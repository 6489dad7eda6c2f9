// One run: load, attach, read until something ends it, drain, account for everything.

import { Child } from "./child.ts";
import type { Surroundings } from "./commands/command.ts";
import type { Endings } from "./endings.ts";
import { leastPrivileges } from "./least-privileges.ts";
import type { Running } from "./modes/mode.ts";
import type { Output } from "./output.ts";
import type { Report, Totals } from "./report.ts";
import type { RunSettings } from "./settings.ts";

/** Events at most before signals and timers get their turn. */
const TURN = 4096;
/** How often, a millisecond apart, the accounts are read anew until nothing is under way any more. */
const SETTLE_ATTEMPTS = 100;

/** `start` loads and attaches. The status to end with. Throws BpfError or StatusError. */
export async function run(
  options: RunSettings,
  start: (report: Report) => Running,
  { report, output, endings }: Surroundings,
): Promise<number> {
  using running = start(report);
  const { source } = running;
  Bun.shrink(); // what was needed to get here, the kernel's BTF above all, is not kept while idle
  const timer = options.duration && setTimeout(() => endings.end({ status: 0 }), options.duration);
  const child =
    options.command.length > 0 ? new Child(options.command, (status) => endings.end({ status })) : undefined;
  // At once, however long the reader of what is already there may take: nothing more is produced, no command goes on.
  endings.onEnd(() => {
    void child?.terminate();
    source.wake();
  });
  endings.onImpatience(() => child?.kill());
  try {
    // After the command has been started with all of them.
    if (!options.keepPrivileges) leastPrivileges(() => tryAll(running), child !== undefined, report, options.verbose);
    await output.flush();
    output.watch();
    await readUntilEnd(running, options, report, output, endings);
    const totals = await settle(running, report, output);
    await output.flush(); // on a terminal the last events stand before their sum
    report.summary(totals);
    await output.flush();
    return endings.ending?.status ?? 0;
  } finally {
    clearTimeout(timer || undefined);
    await child?.terminate(); // also where this run failed: nobody else would end it
  }
}

/** What is done until the end. */
function tryAll(running: Running): void {
  running.accounts();
  running.needed?.();
}

/** Reads and waits in turn, until so many events (or refreshes) were handed over or something else ends it. */
async function readUntilEnd(
  running: Running,
  options: RunSettings,
  report: Report,
  output: Output,
  endings: Endings,
): Promise<void> {
  const { source } = running;
  const limit = options.count ?? Number.POSITIVE_INFINITY;
  let handed = 0;
  while (!endings.ending) {
    report.turn();
    const count = source.read(Math.min(TURN, limit - handed));
    handed += count;
    await output.flush();
    if (endings.ending) return; // while it waited for room: nobody would end another wait
    if (handed >= limit || (count === 0 && nothingMore(running, options))) endings.end({ status: 0 });
    else if (count === 0) await source.wait();
    else await nextTurn();
  }
}

/** Of so many events that --count let out of the kernel some were dropped on their way: the rest has been read. */
function nothingMore(running: Running, { count }: RunSettings): boolean {
  if (count === undefined || !running.source.dropped?.()) return false;
  const { produced, lost } = running.accounts();
  return produced - lost >= count;
}

/** Signals, timers and other streams get theirs. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/**
 * Detaches, then reads what is left until produced = received + lost: a program may still be running on another CPU,
 * and kernels before 6.6 detach a little after the descriptor is closed. What is said is what was read when they agreed.
 */
async function settle(running: Running, report: Report, output: Output): Promise<Totals> {
  const { source } = running;
  const missed = running.missed();
  await output.flush(); // closing may take as long as the kernel's readers of the hook do
  running.detach();
  for (let attempt = 1; ; attempt++) {
    const { produced, lost } = running.accounts();
    report.turn();
    while (source.read(TURN) > 0) await output.flush();
    const events = source.received();
    const missing = produced - lost - events;
    // What the kernel says it dropped may be others': of ours, no more than is missing.
    const dropped = Math.min(source.dropped?.() ?? 0, Math.max(0, missing));
    if (missing === dropped || attempt === SETTLE_ATTEMPTS) {
      source.finish?.();
      // Where others may take events away, what has not come by now is lost, whether the kernel says so or not.
      const gone = source.dropped ? Math.max(0, missing) : 0;
      return { produced, lost: lost + gone, events, missed };
    }
    await Bun.sleep(1);
  }
}
