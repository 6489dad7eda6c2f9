// The machines that QEMU emulates for guests, and how the programs of bare guests are compiled for them.

import { join } from "node:path";

/** Debian's names. */
export type Architecture = "amd64" | "arm64";

export interface Machine {
  /** QEMU's program, and the Debian package that has it. */
  readonly qemu: string;
  readonly package: string;
  /** The board and the processor. */
  readonly arguments: readonly string[];
  /** The kernel's name for the first serial port. */
  readonly console: string;
  /** QEMU's arguments for a second serial port, on its standard streams. */
  readonly serial: readonly string[];
  /** clang's arguments for programs without libc, linked for this machine. */
  readonly compiler: readonly string[];
}

export const MACHINES: Readonly<Record<Architecture, Machine>> = {
  amd64: {
    qemu: "/usr/bin/qemu-system-x86_64",
    package: "qemu-system-x86",
    arguments: ["-cpu", "max"],
    console: "ttyS0",
    serial: ["-serial", "stdio"],
    compiler: ["-idirafter", "/usr/include/x86_64-linux-gnu"],
  },
  arm64: {
    qemu: "/usr/bin/qemu-system-aarch64",
    package: "qemu-system-arm",
    // Pointer authentication by its real algorithm is the slowest part of emulation; the other one is meant for it.
    // Without SVE. With it Bun 1.4.5 on glibc crashes now and then when it starts a command, the oftener the longer the
    // vectors: of 16 runs none with 128 bits, of 75 one with 256, half with 512 and more; never on musl, which does not
    // use SVE. glibc copies up to two vectors by byte elements, and QEMU 7.2 does that byte by byte: another thread may
    // see half a pointer. Whether a real processor ever shows it is not known.
    arguments: ["-M", "virt,gic-version=3", "-cpu", "max,pauth-impdef=on,sve=off,sme=off"],
    console: "ttyAMA0",
    // The board has one port. A 16550 on the PCI bus is ttyS0, beside the board's ttyAMA0.
    serial: ["-chardev", "stdio,id=second", "-device", "pci-serial,chardev=second"],
    compiler: ["--target=aarch64-linux-gnu", "-fuse-ld=lld-19", "-I", join(import.meta.dir, "include/arm64")],
  },
};
