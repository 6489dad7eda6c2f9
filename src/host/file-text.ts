// Small files of /proc and /sys, which may not be mounted or not be for everybody.

import { readFileSync } from "node:fs";

/** The text without white space around it; "" where it is not to be read. */
export function fileText(path: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return "";
  }
}
