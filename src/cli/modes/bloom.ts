// --mode bloom: program files when they are executed for the first time, remembered by a bloom filter. Whatever call executes
// them passes by two tracepoints, where the caller is about to lose its name and where the new program is there.

import { readFileSync } from "node:fs";
import bloomObject from "../../../build/bpf/hello_bloom.bpf.o" with { type: "file" };
import { BpfBloomFilter, BpfObject, bytesCodec, bytesToString, parseObject } from "../../index.ts";
import { readAccounts, recursionMisses } from "../accounts.ts";
import { configure } from "../configuration.ts";
import { escapeText } from "../escape.ts";
import type { Report } from "../report.ts";
import type { Settings } from "../settings.ts";
import type { Mode, RunningMode } from "./mode.ts";

/** struct hello_file_event of bpf/hello_bloom.bpf.c */
interface FileEvent {
  readonly pid: number;
  readonly uid: number;
  readonly command: string;
  readonly file: { readonly script: string };
  readonly end: number;
  readonly used: number;
  readonly names: readonly number[];
}

/** What a path begins with, by enum path_end: its first names had no room, it begins at the root, or in no folder at all. */
const BEGINNINGS = [".../", "/", ""];
/** How many files that nobody has executed are asked for at most, and at a time. */
const ASKED = 10_000;
const AT_A_TIME = 1000;
/** The end waits no longer for it: the signal's 200 ms are for all of it, whatever else the machine does. */
const ASKING_MS = 20;

function pathOf({ file: { script }, end, used, names }: FileEvent): string {
  if (script.startsWith("/")) return script;
  const parts = bytesToString(Uint8Array.from(names.slice(0, Math.max(0, used - 1)))).split("\0");
  const path = `${BEGINNINGS[end]}${parts.reverse().join("/")}`;
  return script === "" ? path : `${path.replace(/\/$/, "")}/${script.replace(/^(\.\/+)+/, "")}`;
}

function load(settings: Settings): BpfObject {
  const spec = parseObject(readFileSync(bloomObject), "hello_bloom");
  configure(spec, settings, { limited: true, placed: false });
  const [known, events] = [spec.maps.get("known"), spec.maps.get("events")];
  if (known && settings.entries) known.maxEntries = settings.entries;
  if (events && settings.bufferSize) events.maxEntries = settings.bufferSize;
  return BpfObject.load(spec);
}

function start(settings: Settings, report: Report): RunningMode {
  using closing = new DisposableStack();
  const object = closing.use(load(settings));
  const filter = object.map("known", BpfBloomFilter<Uint8Array>);
  filter.withCodecs({ value: bytesCodec(filter.spec.valueSize) });
  const reader = closing.use(object.ringBuffer<FileEvent>("events", "hello_file_event"));
  report.bufferSize(settings.bufferSize, reader.size);
  const links = [...object.programs.values()].map((program) => closing.use(program.attach()));
  const target = links.map((link) => link.target).join(" and ");
  let received = 0;
  const show = (event: FileEvent) => {
    received++;
    const { pid, uid, command } = event;
    const path = pathOf(event);
    report.event({ pid, uid, command, path }, () => `${pid} ${uid} ${escapeText(command)} ${escapeText(path)}`);
  };
  const opened = closing.move();
  return {
    attached: { hook: "raw_tracepoint", target, program: "on_exec", passedOver: [] },
    source: {
      read: (limit) => reader.read(show, limit),
      wait: () => reader.wait(),
      wake: () => reader.wake(),
      received: () => received,
      // Also what had no room in the buffer is in the filter.
      finish: () => measure(filter, readAccounts(object).produced, report),
      [Symbol.dispose]: () => reader.close(),
    },
    accounts: () => readAccounts(object),
    missed: () => recursionMisses(object),
    detach: () => {
      for (const link of links) link.close();
    },
    [Symbol.dispose]: () => opened.dispose(),
  };
}

export const bloom: Mode = {
  name: "bloom",
  description: "a program's file the first time it is executed, by a bloom filter (kernel 5.16)",
  refreshes: false,
  uses: ["entries", "bufferSize"],
  ignores: ["attach", "syscall"],
  start,
};

/** A file is not reported where the filter takes it for known: how often it would, by trying. */
function measure(filter: BpfBloomFilter<Uint8Array>, files: number, report: Report): void {
  const file = new Uint8Array(filter.spec.valueSize);
  const number = new DataView(file.buffer);
  const end = performance.now() + ASKING_MS;
  let [asked, known] = [0, 0];
  while (asked < ASKED && (asked === 0 || performance.now() < end))
    for (let i = 0; i < AT_A_TIME; i++) {
      number.setUint32(0, ++asked); // of device 0, on which nothing is
      if (filter.mightHave(file)) known++;
    }
  const [measured, expected] = [known / asked, filter.falsePositiveRate(files)];
  const rates = `${percent(measured)}, by arithmetic ${percent(expected)}`;
  report.remark(
    "bloom",
    { files, asked, known, false_positive_rate: measured, expected_rate: expected },
    `${files} files; of ${asked} that were never executed ${known} would be taken for known: ${rates}`,
  );
}

const percent = (share: number) => `${(share * 100).toFixed(2)} %`;
