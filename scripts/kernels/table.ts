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
 * The package that holds a guest's kernel image. Debian's cloud flavour boots fast and has BTF, kprobes, fentry and
 * tracepoints. The id, the version's beginning and the machine unless it is x86-64, is what `npm run test:kernel -- ID`
 * and the matrix call it.
 */
export interface Guest extends DebianPackage {
  /** In sid the modules have a package of their own. */
  readonly modules?: RegExp;
}

/** The parts of a guest's kernel that hooks and maps need and that are modules, none of which needs another. */
export const MODULES = ["veth", "sch_ingress", "cls_bpf"] as const;

const flavour = (prefix: string, architecture: Architecture) =>
  new RegExp(`^linux-${prefix}[\\w.+-]*-cloud-${architecture}$`);

function cloud(id: string, suite: string, prefix: string, architecture: Architecture = "amd64"): Guest {
  return { id, suite, package: flavour(prefix, architecture), architecture };
}

export const GUESTS: readonly Guest[] = [
  cloud("5.10", "bullseye", "image-5.10."),
  cloud("6.1", "bookworm", "image-6.1."),
  cloud("6.12", "bookworm-security", "image-6.12."),
  { ...cloud("7", "sid", "binary-[0-9]"), modules: flavour("modules-[0-9]", "amd64") },
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
