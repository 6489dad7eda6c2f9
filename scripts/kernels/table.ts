// The real kernels that the kernel tests run on beside the machine's own: Debian's, one of each stable line and sid's.

import type { Architecture } from "./machines.ts";

/** A Debian package for a machine. What is taken from it is kept in the cache under its id. */
export interface DebianPackage {
  readonly id: string;
  /** Debian suite; one that ends in -security is reached where the machine's own security suite is. */
  readonly suite: string;
  /** The newest that matches is taken. */
  readonly package: RegExp;
  readonly architecture: Architecture;
}

/**
 * The package that holds a guest's kernel image; in sid image and kernel are split. Debian's cloud flavour boots fast
 * and has BTF, kprobes, fentry and tracepoints. The id, the version's beginning and the machine unless it is x86-64, is
 * what `npm run test:kernel -- ID` and the matrix call it.
 */
export type Guest = DebianPackage;

function cloud(id: string, suite: string, prefix: string, architecture: Architecture = "amd64"): Guest {
  return { id, suite, package: new RegExp(`^linux-${prefix}[\\w.+-]*-cloud-${architecture}$`), architecture };
}

export const GUESTS: readonly Guest[] = [
  cloud("5.10", "bullseye", "image-5.10."),
  cloud("6.1", "bookworm", "image-6.1."),
  cloud("6.12", "bookworm-security", "image-6.12."),
  cloud("7", "sid", "binary-d"),
  cloud("6.1-arm64", "bookworm", "image-6.1.", "arm64"),
  cloud("6.12-arm64", "bookworm-security", "image-6.12.", "arm64"),
];

/** Packages unpacked, never installed, for the guests' user space. */
const bookworm = (id: string, name: RegExp, architecture: Architecture): DebianPackage => ({
  ...{ id, suite: "bookworm", package: name, architecture },
});
export const BUSYBOX = bookworm("busybox", /^busybox-static$/, "amd64");
export const GLIBC_ARM64 = bookworm("glibc-arm64", /^libc6$/, "arm64");
export const MUSL_ARM64 = bookworm("musl-arm64", /^musl$/, "arm64");
/** libstdc++'s objects, to make a library of: Debian has none for musl. */
export const LIBSTDCXX = {
  amd64: bookworm("libstdc++-amd64", /^libstdc\+\+-12-pic$/, "amd64"),
  arm64: bookworm("libstdc++-arm64", /^libstdc\+\+-12-pic$/, "arm64"),
} satisfies Record<Architecture, DebianPackage>;
/** The kernel's headers for user space, of the newest kernel there is: what generate-uapi.ts reads. */
export const HEADERS: DebianPackage = {
  ...{ id: "linux-libc-dev", suite: "sid", package: /^linux-libc-dev$/, architecture: "amd64" },
};
