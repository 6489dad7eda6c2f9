// What probes say of a kernel, held against the version that brought each feature; and what stands in for what an older
// kernel does not know, held against this kernel, which takes all of it.

import { expect, test } from "bun:test";
import {
  type Btf,
  DOWNGRADES,
  downgradeBtf,
  kernelBtf,
  linkProgram,
  type ProgramSpec,
  VerifierError,
  withContextTypes,
} from "elf-loader";
import { bpf_map_info } from "elf-loader/uapi";
import { BpfProgram, FEATURES } from "../../src/index.ts";
import { loadBtf } from "../../src/program/btf.ts";
import { btfLoad, objGetInfoByFd } from "../../src/sys/bpf.ts";
import { close } from "../../src/sys/libc.ts";
import { withMemlockRaised } from "../../src/sys/memlock.ts";
import { readField } from "../../src/sys/struct.ts";
import { fixture, KERNEL, load, PACKET } from "./lib-support.ts";
import { fewerInGuests } from "./support.ts";

const number = (version: string) => {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major * 1000 + minor;
};

// The development machine's own kernel is newer than all of them, and may be configured in any way.
const version = KERNEL === "host" ? "99" : KERNEL.replace(/-.*/, "");

test("probes say yes since the kernel that brought a feature, and no before", () => {
  const wrong = FEATURES.filter(({ since, probe }) => probe() !== number(version) >= number(since));
  expect(wrong.map(({ name }) => name)).toEqual([]);
});

/** The BTF id of a map's value, as the kernel has it: 0 where its BTF was left out. */
function mapValueType(fd: number): number {
  const info = new Uint8Array(bpf_map_info.size);
  objGetInfoByFd(fd, info);
  return readField(bpf_map_info, info, "btf_value_type_id");
}

const accepted = (btf: Uint8Array | undefined) => {
  const fd = withMemlockRaised(() => btfLoad({ btf, btf_size: btf?.byteLength }));
  if (fd >= 0) close(fd);
  return fd >= 0;
};

/** Every kind is in one of them. */
const OBJECTS = fewerInGuests(
  ["constructs", "globals", "externs", "kconfig", "kfunc", "core_target", "tags"],
  ["externs", "tags"],
);

test("what stands in for a kind is taken by any kernel", () => {
  const known = new Set(FEATURES.filter(({ probe }) => probe()).map(({ name }) => name));
  for (const name of OBJECTS) {
    const spec = fixture(name);
    for (const kernel of ["4.18", ...new Set(DOWNGRADES.map(({ since }) => since))]) {
      // As far as this kernel goes, what a kernel of that version would be given.
      const btf = kernelBtf(spec, ({ name, since }) => known.has(name) && number(since) <= number(kernel));
      expect([name, kernel, accepted(btf)]).toEqual([name, kernel, true]);
    }
  }
});

test("an object with kinds that the kernel may not know keeps its BTF, and what it is for", () => {
  using object = load("tags");
  expect(object.program("use").testRun(PACKET).retval).toBe(42);
  expect(mapValueType(object.map(".data").fd.number)).toBeGreaterThan(0);
});

/** Not part of the packet to a socket filter. */
const ETHERNET_HEADER = 14;

test("a parameter that is the context by its tag is one to a kernel that does not know tags (6.8)", () => {
  const spec = fixture("arg_ctx");
  const program = spec.programs.get("use") as ProgramSpec;
  const types = spec.btf as Btf;
  // What an older kernel has of it: no tags, whatever this one knows.
  const untagged = (btf: Btf) => loadBtf(downgradeBtf(btf, ({ name }) => name !== "BTF kind DECL_TAG"));
  const linked = linkProgram(spec, "use", () => 0);
  using plain = untagged(types);
  expect(() => BpfProgram.load(program, linked, { btfFd: plain?.number })).toThrow(VerifierError);
  using changed = untagged(withContextTypes(types, program.type) as Btf);
  using loaded = BpfProgram.load(program, linked, { btfFd: changed?.number });
  const length = PACKET.length - ETHERNET_HEADER + 7;
  expect(loaded.testRun(PACKET).retval).toBe(length);
  // And so the loader does by itself.
  using object = load("arg_ctx");
  expect(object.program("use").testRun(PACKET).retval).toBe(length);
  expect(withContextTypes(fixture("tags").btf as Btf, program.type)).toBeUndefined();
});
