// Why the kernel refused, where containers cannot provoke it: a security module, and the memory that may be locked.

import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { BpfObject, ownTgid } from "../../src/index.ts";
import { fixture } from "./lib-support.ts";
import { EXECUTABLE, GUEST, Hello, hello, KERNEL, SLOWNESS, withCapabilities } from "./support.ts";

setDefaultTimeout(20_000 + SLOWNESS * 3_000);

// include/uapi/linux/capability.h
const CAP_PERFMON = 38;
const CAP_BPF = 39;

/** Programs of security modules take the trampolines that fentry does: not here. Debian's 5.10 does not list bpf as one. */
describe.skipIf(!GUEST || KERNEL === "5.10")("a security module", () => {
  test("is named, with what there is to be suspected", async () => {
    const spec = fixture("lsm_refuses");
    spec.globals.set("allowed_tgid", ownTgid());
    using object = BpfObject.load(spec);
    using _link = object.program("refuse").attach();
    const { status, stderr } = await hello(["--mode", "ring", "--duration", "1s", "--attach", "kprobe"]);
    expect({ status, stderr }).toEqual({
      status: 3,
      stderr: expect.stringMatching(
        /BPF_PROG_LOAD\) gave EPERM: a Linux security module refuses it \([\w,]*\bbpf\b[\w,]*\); look in .*\n$/,
      ),
    });
  });
});

/** Kernels before 5.11 count maps and programs against what a process may lock; of ours that is 5.10. */
describe("RLIMIT_MEMLOCK", () => {
  const limited = ["sh", "-c", 'ulimit -l 16; exec "$0" "$@"'];
  const run = () =>
    new Hello(["--mode", "ring", "--duration", "1s", "--attach", "raw_tracepoint"], {
      wrapper: [...withCapabilities([CAP_PERFMON, CAP_BPF]), ...limited],
      executable: EXECUTABLE,
    }).ended();

  test.skipIf(KERNEL !== "5.10")("is named where the kernel counts it", async () => {
    const { status, stderr } = await run();
    expect({ status, stderr }).toEqual({
      status: 3,
      stderr: expect.stringMatching(/gave EPERM: RLIMIT_MEMLOCK is 16384 bytes, .*; raise it \(--ulimit memlock=-1\)/),
    });
  });

  test.skipIf(KERNEL === "5.10")("is no matter where it does not", async () => {
    const { status, stderr } = await run();
    expect({ status, stderr }).toEqual({ status: 0, stderr: expect.stringMatching(/^\d+ events, 0 lost$/m) });
  });
});
