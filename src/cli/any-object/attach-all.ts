// Every program of an object attached by its section: what fails is said, and the rest go on.

import { AttachError, type Attachment, BpfError, type BpfObject } from "../../index.ts";
import { type Report, why } from "../report.ts";

/** Attaches; with `strict` the first that fails ends it. Throws where none could be attached, with what the last said. */
export function attachAll(object: BpfObject, strict: boolean, verbose: boolean, report: Report): Attachment[] {
  const links: Attachment[] = [];
  const attached: Record<string, unknown>[] = [];
  const failed: Record<string, unknown>[] = [];
  let last: BpfError | undefined;
  const programs = [...object.programs.values()];
  try {
    for (const program of programs) {
      try {
        const link = program.attach();
        links.push(link);
        attached.push({ program: program.name, hook: link.hook, target: link.target, means: link.means });
        if (verbose) report.note(`attached ${program.name} to ${link.hook} ${link.target}`);
      } catch (error) {
        if (strict || !(error instanceof BpfError)) throw error;
        if (last) report.note(why(last));
        last = error;
        failed.push({ program: program.name, reason: why(error) });
      }
    }
    if (links.length === 0 && last) throw last; // which is said where it is caught
    if (last) report.note(why(last));
    if (programs.length === 0)
      throw new AttachError(`Cannot attach object ${object.spec.name}: it has no program that loads by itself`);
  } catch (error) {
    for (const link of links) link.close();
    throw error;
  }
  report.note(`attached ${links.length} of ${programs.length}`);
  report.side("attached", { programs: programs.length, attached, failed });
  return links;
}
