// The rows of the hooks' conformance suite: each program is loaded, attached, seen to fire and detached, and nothing is
// left. What a kernel lacks is skipped with the reason it gave, but not on a kernel that is known to have it.

import { expect, test } from "bun:test";
import {
  type Attachment,
  type AttachOptions,
  BpfError,
  BpfObject,
  kernelRelease,
  type ObjectSpec,
} from "../../src/index.ts";
import { fixture, global, KERNEL, kernelIds, until } from "./lib-support.ts";
import { GUEST, missingHook } from "./support.ts";

/** The guests, oldest first. */
const GUESTS = ["5.10", "6.1", "6.12", "7"] as const;
type GuestName = (typeof GUESTS)[number];

/** Every guest from this one on. */
export const since = (first: GuestName): readonly string[] => GUESTS.slice(GUESTS.indexOf(first));

/** Whether this is a kernel outside of the guests that has what the newest but one of them has. */
const [major = 0, minor = 0] = kernelRelease().split(".").map(Number);
const RECENT_HOST = !GUEST && (major > 6 || (major === 6 && minor >= 12));

/** What a program's hook is made of, where a kernel may have been built without or refuses it. */
function made(program: string): "kprobe" | "fentry" | undefined {
  if (/kprobe|kretprobe|syscall$/.test(program)) return "kprobe";
  return /fentry|fexit|fmod_ret|lsm/.test(program) ? "fentry" : undefined;
}

/** Whether a kernel must have a row's hook: the guests by name, this machine's by its age and by other evidence. */
function must({ on, program }: Row): boolean {
  if (on.includes(KERNEL)) return true;
  const of = made(program);
  return RECENT_HOST && on.includes("6.12") && (of === undefined || missingHook(of) === undefined);
}

export interface Row {
  /** Name of the program in the fixture. */
  readonly program: string;
  /** What the row is called; the program's name where nothing is said. */
  readonly name?: string;
  /** Guests that must have it. */
  readonly on: readonly string[];
  /** Guests that take it and never let it run. */
  readonly not?: readonly string[];
  readonly options?: () => AttachOptions;
  /** Makes it run: once for each count that is added, `times`. */
  readonly fire: (times: number, attached: Attachment) => unknown;
  /** Whether it may be seen to run more often than it is made to. */
  readonly others?: boolean;
  /** Not a link of the kernel: it has no number. */
  readonly noLink?: boolean;
  /** What else is to hold while it is attached. */
  readonly holds?: (object: BpfObject, attached: Attachment) => void | Promise<void>;
  /** Changes the spec before load. */
  readonly prepare?: (spec: ObjectSpec) => void;
}

/** A suite over the programs of one fixture. */
export function conformance(name: string, rows: readonly Row[], prepare: (spec: ObjectSpec) => void = () => {}): void {
  const open = (row: Row): BpfObject => {
    const spec = fixture(name, row.program);
    prepare(spec);
    row.prepare?.(spec);
    return BpfObject.load(spec);
  };
  const attach = (row: Row, object: BpfObject) => object.program(row.program).attach(row.options?.() ?? {});

  /** Why this kernel has no such hook, in its own words; undefined where it has. */
  const lacks = (row: Row): string | undefined => {
    if (must(row)) return undefined;
    if (row.not?.includes(KERNEL)) return "taken and never run";
    try {
      using object = open(row);
      using _link = attach(row, object);
      return undefined;
    } catch (error) {
      if (!(error instanceof BpfError)) throw error;
      return error.message.replace(/^.*?: /, "");
    }
  };

  for (const row of rows) {
    const missing = lacks(row);
    test.skipIf(missing !== undefined)(`${row.name ?? row.program}${missing ? ` (${missing})` : ""}`, async () => {
      using object = open(row);
      const seen = () => Number(global(object, "seen").value);
      const link = attach(row, object);
      try {
        const before = seen();
        await row.fire(3, link);
        await until(`${row.program} was not seen to run`, () => seen() >= before + 3);
        if (!row.others) expect(seen() - before).toBe(3);
        await row.holds?.(object, link);
        const id = row.noLink || link.means !== "link" ? undefined : idOf(link);
        if (id !== undefined) expect(kernelIds("links").has(id)).toBe(true);
        link.close();
        if (id !== undefined) await until("the link is left behind", () => !kernelIds("links").has(id));
      } finally {
        link.close();
      }
      await expectQuiet(row, link, seen);
    });
  }
}

/** A group has several numbers, and one link's are as good as all. */
function idOf(link: Attachment): number | undefined {
  try {
    return link.info().id;
  } catch {
    return undefined;
  }
}

/** Detached, it runs no more; kernels may let what was already on its way end. */
async function expectQuiet(row: Row, link: Attachment, seen: () => number): Promise<void> {
  let last = -1;
  await until(`${row.program} runs though it is detached`, () => {
    const now = seen();
    const quiet = now === last;
    last = now;
    return quiet;
  });
  const after = seen();
  await (async () => row.fire(3, link))().catch(() => {}); // what fires it may be refused now
  await Bun.sleep(20);
  expect(seen()).toBe(after);
}
