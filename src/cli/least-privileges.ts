// What is given up once attached: nothing here needs a capability to read what the kernel hands over.

import { CAP_KILL, capabilityNames, dropPrivileges, PermissionError } from "../index.ts";

/**
 * Drops every capability but what is needed until the end, and says by name what that is: nothing, on kernels that let a
 * map be read by who has its descriptor; CAP_KILL where a command may have to be ended that has become another user. undefined where they could not be given up.
 */
export function leastPrivileges(readAccounts: () => unknown, hasCommand: boolean): string[] | undefined {
  const works = () => {
    try {
      readAccounts();
      return true;
    } catch (error) {
      if (error instanceof PermissionError) return false;
      throw error;
    }
  };
  const left = dropPrivileges(hasCommand ? [CAP_KILL] : [], works);
  return left && capabilityNames(left);
}
