// Every program of an object attached by its section, and every struct of functions: what fails is said, the rest go on.

import { AttachError, type Attachment, BpfError, type BpfObject } from "../../index.ts";
import { type Report, why } from "../report.ts";

/** Attaches; with `strict` the first that fails ends it. Throws where none could be attached, with what the last said. */
export function attachAll(object: BpfObject, strict: boolean, verbose: boolean, report: Report): Attachment[] {
  const links: Attachment[] = [];
  const attached: Record<string, unknown>[] = [];
  const failed: Record<string, unknown>[] = [];
  let last: BpfError | undefined;
  const all = object.attachables();
  try {
    for (const { kind, name, attach } of all) {
      try {
        const link = attach();
        links.push(link);
        attached.push({ [kind]: name, hook: link.hook, target: link.target, means: link.means });
        if (verbose) report.note(`attached ${name} to ${link.hook} ${link.target}`);
      } catch (error) {
        if (strict || !(error instanceof BpfError)) throw error;
        if (last) report.note(why(last));
        last = error;
        failed.push({ [kind]: name, reason: why(error) });
      }
    }
    if (links.length === 0 && last) throw last; // which is said where it is caught
    if (last) report.note(why(last));
    if (all.length === 0)
      throw new AttachError(`Cannot attach object ${object.spec.name}: it has no program that loads by itself`);
  } catch (error) {
    for (const link of links) link.close();
    throw error;
  }
  report.note(`attached ${links.length} of ${all.length}`);
  report.side("attached", { programs: object.programs.size, attachable: all.length, attached, failed });
  return links;
}
