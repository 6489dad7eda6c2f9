// The real kernels that the kernel tests run on beside the machine's own: Debian's, one of each stable line and sid's.

/** Where a guest's kernel comes from. Debian's cloud flavour boots fast and has BTF, kprobes, fentry and tracepoints. */
export interface Guest {
  /** What `npm run test:kernel -- ID` and the matrix call it: the version's beginning. */
  readonly id: string;
  /** Debian suite; one that ends in -security is reached where the machine's own security suite is. */
  readonly suite: string;
  /** Package that holds the kernel image; the newest that matches is taken. sid has split image and kernel. */
  readonly package: RegExp;
}

const cloud = (prefix: string) => new RegExp(`^linux-${prefix}[\\w.+-]*-cloud-amd64$`);

export const GUESTS: readonly Guest[] = [
  { id: "5.10", suite: "bullseye", package: cloud("image-5\\.10\\.") },
  { id: "6.1", suite: "bookworm", package: cloud("image-6\\.1\\.") },
  { id: "6.12", suite: "bookworm-security", package: cloud("image-6\\.12\\.") },
  { id: "7", suite: "sid", package: cloud("binary-\\d") },
];

/** Packages unpacked, never installed, for the guests' user space. */
export const BUSYBOX = { id: "busybox", suite: "bookworm", package: /^busybox-static$/ } satisfies Guest;
