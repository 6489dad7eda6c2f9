// The Debian packages whose eBPF objects are loaded by libbpf and by us: what real projects ship, as their compilers of
// three releases made it. The objects are inside executables and libraries, where `bpftool gen skeleton` put them.

import type { DebianPackage } from "../kernels/table.ts";

const SUITES = ["bookworm", "trixie", "sid"] as const;

const inEach = (name: string, suites: readonly string[] = SUITES): DebianPackage[] =>
  suites.map((suite) => ({
    id: `${name}-${suite}`,
    suite,
    package: new RegExp(`^${name}$`),
    architecture: "amd64",
  }));

export const PACKAGES: readonly DebianPackage[] = [
  ...inEach("libbpf-tools"),
  ...inEach("xdp-tools"),
  ...inEach("systemd", ["trixie", "sid"]),
  ...inEach("systemd-userdbd", ["trixie", "sid"]),
  ...inEach("bpftune", ["trixie", "sid"]),
  ...inEach("bpftop", ["trixie", "sid"]),
  ...inEach("bpftool", ["trixie", "sid"]),
];
