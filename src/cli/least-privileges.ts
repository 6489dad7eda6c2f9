// What is given up once attached: nothing here needs a capability to read what the kernel hands over.

import { CAP_KILL, capabilityNames, dropPrivileges, PermissionError } from "../index.ts";
import type { Report } from "./report.ts";

/**
 * Drops every capability but what is needed until the end: nothing, on kernels that let a map be read by who has its
 * descriptor, and what a mode tries besides (`read`); CAP_KILL where a command may have to be ended that has become another user. Says where that
 * could not be done.
 */
export function leastPrivileges(read: () => unknown, hasCommand: boolean, report: Report, verbose: boolean): void {
  const works = () => {
    try {
      read();
      return true;
    } catch (error) {
      if (error instanceof PermissionError) return false;
      throw error;
    }
  };
  works(); // what is found out once, such as how many CPUs there are, is found out before
  const left = dropPrivileges(hasCommand ? [CAP_KILL] : [], works);
  if (!left) report.note("the capabilities that are not needed any more could not be given up");
  else if (left.threads > 0)
    report.note(`${left.threads} of the runtime's threads could not give up their capabilities`);
  if (left && verbose) report.note(`capabilities kept: ${capabilityNames(left.capabilities).join(", ") || "none"}`);
}
