// --mode bloom: program files when they are executed for the first time, remembered by a bloom filter. One program notes who
// calls execve or execveat, by their name until then, another which file it is once the new program is there.

import callObject from "../../../build/bpf/hello_bloom.bpf.o" with { type: "file" };
import execObject from "../../../build/bpf/hello_bloom_exec.bpf.o" with { type: "file" };
import { BpfBloomFilter, type BpfObject, bytesCodec, bytesToString } from "../../index.ts";
import { readAccounts } from "../accounts.ts";
import { Closing } from "../closing.ts";
import { escapeText } from "../escape.ts";
import type { Report } from "../report.ts";
import type { Settings } from "../settings.ts";
import { attachAll, loadSecond } from "./second-object.ts";
import { recursionMisses, syscallMode } from "./syscall-mode.ts";

/** struct hello_file_event of bpf/hello_bloom_exec.bpf.c */
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
/** How many files that nobody has executed are asked for. */
const ASKED = 10_000;

function pathOf({ file: { script }, end, used, names }: FileEvent): string {
  if (script.startsWith("/")) return script;
  const parts = bytesToString(Uint8Array.from(names.slice(0, Math.max(0, used - 1)))).split("\0");
  const path = `${BEGINNINGS[end]}${parts.reverse().join("/")}`;
  return script === "" ? path : `${path.replace(/\/$/, "")}/${script.replace(/^(\.\/+)+/, "")}`;
}

function loadExec(first: BpfObject, settings: Settings): BpfObject {
  return loadSecond(first, settings, {
    name: "hello_bloom_exec",
    object: execObject,
    shared: "callers",
    prepare(spec) {
      const [known, events] = [spec.maps.get("known"), spec.maps.get("events")];
      if (known && settings.entries) known.maxEntries = settings.entries;
      if (events && settings.bufferSize) events.maxEntries = settings.bufferSize;
    },
  });
}

export const bloom = syscallMode({
  name: "bloom",
  description: "a program's file the first time it is executed, by a bloom filter (kernel 5.16)",
  object: callObject,
  refreshes: false,
  uses: ["entries", "bufferSize"],
  syscall: "execve",
  also: { syscall: "execveat", shared: ["callers"] },
  open(first, settings, report) {
    const exec = loadExec(first, settings);
    const closing = new Closing();
    closing.push(exec);
    try {
      const filter = exec.map("known", BpfBloomFilter<Uint8Array>);
      filter.withCodecs({ value: bytesCodec(filter.spec.valueSize) });
      const reader = exec.ringBuffer<FileEvent>("events", "hello_file_event");
      closing.push(reader);
      report.bufferSize(settings.bufferSize, reader.size);
      closing.push(...attachAll(exec));
      let received = 0;
      const show = (event: FileEvent) => {
        received++;
        const { pid, uid, command } = event;
        const path = pathOf(event);
        report.event({ pid, uid, command, path }, () => `${pid} ${uid} ${escapeText(command)} ${escapeText(path)}`);
      };
      return {
        read: (limit) => reader.read(show, limit),
        wait: () => reader.wait(),
        wake: () => reader.wake(),
        received: () => received,
        missed: () => recursionMisses(exec),
        // Also what had no room in the buffer is in the filter.
        finish: () => measure(filter, readAccounts(first).produced, report),
        [Symbol.dispose]: () => closing.close(),
      };
    } catch (error) {
      closing.close();
      throw error;
    }
  },
});

/** A file is not reported where the filter takes it for known: how often it would, by trying. */
function measure(filter: BpfBloomFilter<Uint8Array>, files: number, report: Report): void {
  const file = new Uint8Array(filter.spec.valueSize);
  const number = new DataView(file.buffer);
  let known = 0;
  for (let i = 1; i <= ASKED; i++) {
    number.setUint32(0, i); // of device 0, on which nothing is
    if (filter.mightHave(file)) known++;
  }
  const [measured, expected] = [known / ASKED, filter.falsePositiveRate(files)];
  const rates = `${percent(measured)}, by arithmetic ${percent(expected)}`;
  report.remark(
    "bloom",
    { files, asked: ASKED, known, false_positive_rate: measured, expected_rate: expected },
    `${files} files; of ${ASKED} that were never executed ${known} would be taken for known: ${rates}`,
  );
}

const percent = (share: number) => `${(share * 100).toFixed(2)} %`;
