// The types of the running kernel and its modules, as CO-RE asks for them: each read only when it is looked into.

import { readdirSync, readFileSync } from "node:fs";
import { Btf, type CoreTargets, ObjectError, UnsupportedError } from "elf-loader";
import { kernelRelease } from "./kernel.ts";
import { vmlinuxBtf } from "./vmlinux-btf.ts";

const FOLDER = "/sys/kernel/btf";

/** @param instead types to use instead of the running kernel's; then modules are not looked at, as with libbpf */
export function kernelTypes(instead?: Btf): CoreTargets {
  return {
    vmlinux: () => instead ?? vmlinuxBtf() ?? refuse(),
    modules: () => (instead ? [] : moduleBtfs()),
  };
}

function refuse(): never {
  throw new UnsupportedError(`Cannot read the kernel's types: ${FOLDER}/vmlinux is not there`, {
    likely: `kernel ${kernelRelease()} was built without CONFIG_DEBUG_INFO_BTF, or /sys is not mounted`,
    action: "mount /sys; what an object of one's own needs of it, load and run take from a file too (--btf)",
  });
}

/** BTF of each module that is loaded and has any (5.11), in the order of their names; read one at a time. */
export function* moduleBtfs(): Generator<Btf> {
  const vmlinux = vmlinuxBtf();
  if (!vmlinux) return;
  for (const name of moduleNames()) {
    const btf = readModule(name, vmlinux);
    if (btf) yield btf;
  }
}

/** BTF of one module, on top of the kernel's; undefined where it is not loaded or has none. Throws ObjectError. */
export function moduleBtf(name: string): Btf | undefined {
  const vmlinux = moduleNames().includes(name) ? vmlinuxBtf() : undefined;
  return vmlinux && readModule(name, vmlinux);
}

/** Modules that are loaded and have BTF, in order. */
export function moduleNames(): string[] {
  try {
    return readdirSync(FOLDER)
      .filter((name) => name !== "vmlinux")
      .sort();
  } catch {
    return []; // no /sys
  }
}

/** undefined where the module went away meanwhile. */
function readModule(name: string, vmlinux: Btf): Btf | undefined {
  try {
    return Btf.parse(readFileSync(`${FOLDER}/${name}`), name, vmlinux);
  } catch (error) {
    if (error instanceof ObjectError) throw error;
    return undefined;
  }
}
