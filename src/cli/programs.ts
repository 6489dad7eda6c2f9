// All programs of an object at once.

import type { Attachment, BpfObject } from "../index.ts";

/** Attached by their sections; where one cannot be, none is. */
export function attachPrograms(object: BpfObject): Attachment[] {
  const links: Attachment[] = [];
  try {
    for (const program of object.programs.values()) links.push(program.attach());
    return links;
  } catch (error) {
    for (const link of links) link.close();
    throw error;
  }
}

/** How often the kernel passed them over because eBPF was already at work on that CPU. */
export const recursionMisses = (object: BpfObject): number =>
  [...object.programs.values()].reduce((sum, program) => sum + program.recursionMisses(), 0);
