// What a release is made for: the machines, and of each the Bun that the executable is compiled onto.

/** An executable of the release. */
export interface Target {
  /** What the artefact's name ends with: hello-ebpf-NAME. */
  readonly name: string;
  /** The npm package that holds this Bun; package-lock.json pins its version and integrity. */
  readonly package: string;
  /** What `bun build --target` calls it: it decides what process.arch and process.platform are inside. */
  readonly target: string;
}

export const TARGETS: readonly Target[] = [
  { name: "linux-x64", package: "@oven/bun-linux-x64", target: "bun-linux-x64" },
  { name: "linux-arm64", package: "@oven/bun-linux-aarch64", target: "bun-linux-arm64" },
  { name: "linux-x64-musl", package: "@oven/bun-linux-x64-musl", target: "bun-linux-x64-musl" },
  { name: "linux-arm64-musl", package: "@oven/bun-linux-aarch64-musl", target: "bun-linux-arm64-musl" },
];

/** A container image of the release: a glibc executable with the libraries it needs. */
export interface ImageTarget {
  /** The executable's target, and what the archive's name ends with. */
  readonly name: string;
  /** GOARCH, as the OCI image configuration wants it (and its variant). */
  readonly architecture: string;
  readonly variant?: string;
  /** Debian's name for the machine, and where Debian's loader looks for libraries. */
  readonly debian: string;
  readonly triplet: string;
  /** PT_INTERP of the executable. */
  readonly loader: string;
}

export const IMAGES: readonly ImageTarget[] = [
  {
    name: "linux-x64",
    architecture: "amd64",
    debian: "amd64",
    triplet: "x86_64-linux-gnu",
    loader: "/lib64/ld-linux-x86-64.so.2",
  },
  {
    name: "linux-arm64",
    architecture: "arm64",
    variant: "v8",
    debian: "arm64",
    triplet: "aarch64-linux-gnu",
    loader: "/lib/ld-linux-aarch64.so.1",
  },
];

/** DT_NEEDED of the glibc executables, the loader aside. */
export const LIBRARIES = ["libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2"];
