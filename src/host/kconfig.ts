// The configuration that the running kernel was built with: /boot/config-RELEASE, or /proc/config.gz
// (CONFIG_IKCONFIG_PROC), in this order as libbpf has it.

import { readFileSync } from "node:fs";
import { UnsupportedError } from "elf-loader";
import { kernelRelease } from "./kernel.ts";

/** What stands behind the `=` of each of these names that is set. Throws UnsupportedError where no file is to be had. */
export function kernelConfiguration(names: Iterable<string>): Map<string, string> {
  const text = readConfiguration();
  const values = new Map<string, string>();
  for (const name of names) {
    const value = new RegExp(`^${name}=(.+)$`, "m").exec(text)?.[1];
    if (value !== undefined) values.set(name, value);
  }
  return values;
}

function readConfiguration(): string {
  const plain = `/boot/config-${kernelRelease()}`;
  const packed = "/proc/config.gz";
  const text = read(plain) ?? unpack(read(packed));
  if (text) return Buffer.from(text).toString("latin1");
  throw new UnsupportedError(`Cannot read the kernel's configuration: neither ${plain} nor ${packed} is there`, {
    likely: "the kernel was built without CONFIG_IKCONFIG_PROC, and its package's /boot is not here",
    action: `put the kernel's configuration at ${plain}, or give the object's variables of it their values (--set, globals.set)`,
  });
}

function read(path: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    return new Uint8Array(readFileSync(path));
  } catch {
    return undefined;
  }
}

const unpack = (bytes: Uint8Array<ArrayBuffer> | undefined) => bytes && Bun.gunzipSync(bytes);
