// The kernel's release, for messages and data only: what it can do is found by probing.

import { readFileSync } from "node:fs";

/** As uname -r gives it: "6.12.38+deb12-cloud-amd64". */
export function kernelRelease(): string {
  try {
    return readFileSync("/proc/sys/kernel/osrelease", "utf8").trim();
  } catch {
    return "unknown";
  }
}
