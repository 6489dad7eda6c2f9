// What the kernel knows of BTF: it is given the least BTF that has a thing.

import { DOWNGRADES, type Downgrade, sampleOf } from "elf-loader";
import { btfLoad } from "../sys/bpf.ts";
import { type Feature, succeeds } from "./feature.ts";

function probe(downgrade: Downgrade): boolean {
  const btf = sampleOf(downgrade);
  return succeeds(() => btfLoad({ btf, btf_size: btf.byteLength }));
}

export const btfFeatures: readonly Feature[] = DOWNGRADES.map((downgrade) => ({
  name: downgrade.name,
  since: downgrade.since,
  probe: () => probe(downgrade),
}));

const known = new Map<Downgrade, boolean>();

/** Whether the kernel knows this; asked once a process. */
export function knowsBtf(downgrade: Downgrade): boolean {
  let answer = known.get(downgrade);
  if (answer === undefined) {
    answer = probe(downgrade);
    known.set(downgrade, answer);
  }
  return answer;
}

const TAGS = DOWNGRADES.find(({ name }) => name === "BTF kind DECL_TAG");
/** Whether the kernel reads tags on functions and variables (5.16). */
export const knowsTags = (): boolean => TAGS !== undefined && knowsBtf(TAGS);
