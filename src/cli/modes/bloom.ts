// --mode bloom: program files when they are executed for the first time, remembered by a bloom filter.

import object from "../../../build/bpf/hello_bloom.bpf.o" with { type: "file" };
import { BpfBloomFilter, bytesCodec, syscallArgumentOffsets } from "../../index.ts";
import { escapeText } from "../escape.ts";
import type { Report } from "../report.ts";
import { syscallMode } from "./syscall-mode.ts";

/** struct hello_file_event of bpf/hello_bloom.bpf.c */
type FileEvent = { pid: number; uid: number; command: string; file: { path: string } };

/** How many paths that nobody has executed are asked for. */
const ASKED = 10_000;

export const bloom = syscallMode({
  name: "bloom",
  description: "a program's path the first time it is executed, by a bloom filter (kernel 5.16)",
  object,
  refreshes: false,
  uses: ["entries", "bufferSize"],
  syscall: "execve",
  prepare(spec, { entries, bufferSize }) {
    spec.globals.set("arguments", syscallArgumentOffsets());
    const [known, events] = [spec.maps.get("known"), spec.maps.get("events")];
    if (known && entries) known.maxEntries = entries;
    if (events && bufferSize) events.maxEntries = bufferSize;
  },
  open(loaded, settings, report) {
    const filter = loaded.map("known", BpfBloomFilter<Uint8Array>);
    filter.withCodecs({ value: bytesCodec(filter.spec.valueSize) });
    const reader = loaded.ringBuffer<FileEvent>("events", "hello_file_event");
    report.bufferSize(settings.bufferSize, reader.size);
    let received = 0;
    const show = ({ pid, uid, command, file }: FileEvent) => {
      received++;
      const { path } = file;
      report.event({ pid, uid, command, path }, () => `${pid} ${uid} ${escapeText(command)} ${escapeText(path)}`);
    };
    return {
      read: (limit) => reader.read(show, limit),
      wait: () => reader.wait(),
      wake: () => reader.wake(),
      received: () => received,
      finish: () => measure(filter, received, report),
      [Symbol.dispose]: () => reader.close(),
    };
  },
});

/** A path is not reported where the filter takes it for known: how often it would, by trying. */
function measure(filter: BpfBloomFilter<Uint8Array>, files: number, report: Report): void {
  const path = new Uint8Array(filter.spec.valueSize);
  const number = new DataView(path.buffer);
  let known = 0;
  for (let i = 1; i <= ASKED; i++) {
    number.setUint32(0, i); // begins with a zero, as no path does
    if (filter.mightHave(path)) known++;
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
