// The kernel's version as one number, as LINUX_KERNEL_VERSION and section `version` have it: what distributions call
// their release is not always what they build. Source: get_kernel_version in libbpf's libbpf_probes.c.

import { readFileSync } from "node:fs";
import { kernelRelease } from "./kernel.ts";

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/** KERNEL_VERSION(a, b, c): a << 16, b << 8, c up to 255. 0 where it is not to be had. */
export function kernelVersion(): number {
  const [, ubuntu] = /^Ubuntu \S+ (\d+\.\d+\.\d+)/.exec(read("/proc/version_signature")) ?? [];
  const [, debian] = /Debian (\d+\.\d+\.\d+)/.exec(read("/proc/sys/kernel/version")) ?? [];
  const [, a = 0, b = 0, c = 0] = /^(\d+)\.(\d+)(?:\.(\d+))?/.exec(ubuntu ?? debian ?? kernelRelease()) ?? [];
  return (Number(a) << 16) | (Number(b) << 8) | Math.min(Number(c), 255);
}
