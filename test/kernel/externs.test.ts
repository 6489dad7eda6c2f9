// Externs on a real kernel: what programs find in the kernel's configuration, its symbols and functions is what the
// kernel's own files say; what is missing is named where a program gets there.

import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { release } from "node:os";
import { gunzipSync } from "node:zlib";
import type { ExternSpec } from "elf-loader";
import { BpfArray, type BpfError, BpfObject, FEATURES, UnsupportedError, VerifierError } from "../../src/index.ts";
import { fixture, KERNEL, load, PACKET, thrownBy } from "./lib-support.ts";
import { GUEST } from "./support.ts";

const bootConfig = `/boot/config-${release()}`;
const packedConfig = "/proc/config.gz";
const config = existsSync(bootConfig)
  ? readFileSync(bootConfig, "utf8")
  : existsSync(packedConfig)
    ? gunzipSync(new Uint8Array(readFileSync(packedConfig))).toString()
    : undefined;

const option = (name: string) => new RegExp(`^${name}=(.*)$`, "m").exec(config ?? "")?.[1] ?? "";
const kallsyms = readFileSync("/proc/kallsyms", "latin1");
const [, address = ""] = /^(\w+) \w schedule$/m.exec(kallsyms) ?? [];

/** As uname -v of Debian's kernels says it, else uname -r. */
function version(): number {
  const text = /Debian (\d+\.\d+\.\d+)/.exec(readFileSync("/proc/sys/kernel/version", "utf8"))?.[1] ?? release();
  const [a = 0, b = 0, c = 0] = text.split(/[.-]/).map(Number);
  return a * 65536 + b * 256 + Math.min(c, 255);
}

function prepared(...programs: string[]) {
  const spec = fixture("externs", ...programs);
  spec.globals.set("expected", {
    schedule: BigInt(`0x${address}`),
    version: version(),
    cookie: FEATURES.find(({ name }) => name.includes("attach_cookie"))?.probe(),
    wrapper: / __(x64|arm64)_sys_bpf$/m.test(kallsyms),
  });
  return spec;
}

test.skipIf(config === undefined)("the kernel's configuration, by every type of variable", () => {
  const spec = fixture("kconfig");
  spec.globals.set("expected", {
    hz: Number(option("CONFIG_HZ")),
    log_buf_shift: Number(option("CONFIG_LOG_BUF_SHIFT")),
    compiler: option("CONFIG_CC_VERSION_TEXT").slice(1, 16),
  });
  using object = BpfObject.load(spec);
  expect(object.program("configuration").testRun(undefined, 0).retval).toBe(0);
});

test("without a configuration to read, its externs are refused", () => {
  if (config === undefined) {
    expect(thrownBy(() => load("kconfig"))).toBeInstanceOf(UnsupportedError);
    return;
  }
  const spec = fixture("kconfig");
  const wrong = spec.copy();
  (wrong.externs as Map<string, ExternSpec>).set("CONFIG_HZ", {
    ...wrong.externs.get("CONFIG_HZ"),
    name: "CONFIG_HZZ",
  } as ExternSpec);
  expect((thrownBy(() => BpfObject.load(wrong)) as BpfError).message).toMatch(/^Cannot find extern CONFIG_HZZ: /);
});

test("what was set of the configuration stays, whatever the kernel's is, in a copy too; the kernel's is not asked for", () => {
  const spec = fixture("kconfig");
  const values = { CONFIG_HZ: -7, CONFIG_LOG_BUF_SHIFT: 0n, CONFIG_CC_VERSION_TEXT: "none", CONFIG_NO_SUCH_OPTION: 9 };
  for (const [name, value] of Object.entries(values)) spec.globals.set(name, value);
  const loaded = (object: BpfObject) => object.map(".kconfig", BpfArray).get(0);
  if (config !== undefined) {
    using object = BpfObject.load(spec.copy());
    expect(loaded(object)).toMatchObject({ ...values, CONFIG_BPF_SYSCALL: true, CONFIG_NET: "TRI_YES" });
  }
  const rest = { CONFIG_BPF_SYSCALL: false, CONFIG_NET: "TRI_MODULE", CONFIG_BPF: 110, CONFIG_NO_SUCH_TEXT: "no" };
  for (const [name, value] of Object.entries(rest)) spec.globals.set(name, value);
  using object = BpfObject.load(spec);
  expect(loaded(object)).toEqual({ ...values, ...rest });
});

test("values that only the loader knows: the kernel's version, cookies, wrappers of system calls", () => {
  using object = BpfObject.load(prepared("virtual"));
  expect(object.program("virtual").testRun(undefined, 0).retval).toBe(0);
});

test("what a guest must have is there", () => {
  expect(!GUEST || / runqueues$/m.test(kallsyms)).toBe(true);
});

test("symbols by address and by type, weak ones that are not there", () => {
  using object = BpfObject.load(prepared("symbols"));
  expect(object.program("symbols").testRun(undefined, 0).retval).toBe(0);
});

// The kernel looks a variable's address up in its own table, which holds variables with CONFIG_KALLSYMS_ALL only.
// Debian's 5.10 has no variables in its BTF.
test.skipIf(KERNEL === "5.10" || !/ runqueues$/m.test(kallsyms))(
  "a variable of the kernel, one for each CPU, by its type (CONFIG_KALLSYMS_ALL, BTF of variables)",
  () => {
    using object = BpfObject.load(prepared("per_cpu"));
    expect(object.program("per_cpu").testRun(undefined, 0).retval).toBe(0);
  },
);

test("a function that is not there is named where it is called", () => {
  const error = thrownBy(() => BpfObject.load(prepared("needs_function"))) as BpfError;
  expect(error).toBeInstanceOf(VerifierError);
  expect(error.message).toMatch(
    /^Cannot load program needs_function: it needs the kernel function no_such_function \(externs\.bpf\.c:\d+\): /,
  );
});

test.skipIf(KERNEL === "5.10")("functions of the kernel are called, by a name with a flavor too (6.2)", () => {
  const known = / bpf_task_from_pid$/m.test(kallsyms);
  using object = load("kfunc");
  expect(object.program("call").testRun(undefined, 0).retval | 0).toBe(known ? 0 : -1);
});

test.skipIf(!/ bpf_throw$/m.test(kallsyms))(
  "a program that throws ends in its callback, or with the cookie (6.7)",
  () => {
    using object = load("exceptions");
    const results = ["with_callback", "without_callback"].map((name) => object.program(name).testRun(PACKET).retval);
    expect(results).toEqual([42, 41]);
    expect((thrownBy(() => load("exceptions", "callback_missing")) as BpfError).message).toMatch(
      /its exception callback nobody is no global function$/,
    );
  },
);

test.skipIf(KERNEL !== "5.10")("a kernel that reads no tags gets no callbacks, as libbpf has it (5.16)", () => {
  using object = load("exceptions", "with_callback", "callback_missing");
  expect([...object.programs.keys()].sort()).toEqual(["callback_missing", "with_callback"]);
});
