// The image's files as they are, without what podman puts beside them: a bundle for runc (the OCI runtime specification's
// config.md) with /proc mounted and nothing else, no /tmp, /etc, /sys or environment, as an unprivileged user.

import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Hello, NamedProgram, processes, ROOT, scratch, summaryOf } from "../kernel/support.ts";
import { TREE } from "./runners.ts";

setDefaultTimeout(60_000);
const folder = scratch();
/** Beside the tree, whose files it shares: a runtime makes mount points in it. */
const root = join(ROOT, "build", `bare-root.${process.pid}`);
afterAll(() => rmSync(root, { recursive: true, force: true }));

const NOBODY = { uid: 65534, gid: 65534 };
const HELD = ["CAP_BPF", "CAP_PERFMON"];
const SETS = ["bounding", "effective", "inheritable", "permitted", "ambient"];
const NAMESPACES = ["pid", "network", "ipc", "uts", "mount"];

function configuration(args: readonly string[]) {
  return {
    ociVersion: "1.0.2",
    root: { path: root, readonly: true },
    mounts: [{ destination: "/proc", type: "proc", source: "proc" }],
    process: {
      ...{ cwd: "/", user: NOBODY, args: ["/hello-ebpf", ...args], env: [], noNewPrivileges: true },
      capabilities: Object.fromEntries(SETS.map((set) => [set, HELD])),
    },
    linux: { namespaces: NAMESPACES.map((type) => ({ type })) },
  };
}

/** The mode under way in a bundle of its own. */
async function start(mode: string, comm: string): Promise<Hello> {
  const bundle = join(folder, mode);
  mkdirSync(bundle);
  const args = ["--mode", mode, "--output", "jsonl", "--comm", comm, "-v"];
  writeFileSync(join(bundle, "config.json"), JSON.stringify(configuration(args)));
  const wrapper = ["runc", "--root", join(folder, "state"), "run", "--bundle", bundle];
  return await new Hello([], { wrapper, executable: `bare-${process.pid}-${mode}` }).attached();
}

describe.skipIf(!Bun.which("runc"))("with /proc and nothing else an unprivileged user sees every exec", () => {
  for (const mode of ["ring", "perf", "map"])
    test(mode, async () => {
      Bun.spawnSync(["cp", "-al", "--no-clobber", `${TREE}/.`, root]);
      const program = new NamedProgram(folder, "sh");
      const hello = await start(mode, program.name);
      await program.run(["-c", processes(20)]);
      const { status, stdout, stderr } = await hello.stop();
      expect({ status, ...summaryOf(stdout) }).toMatchObject({ status: 0, produced: 20, events: 20, lost: 0 });
      expect(stderr).toContain("capabilities kept: none\n");
      expect(readdirSync(root).filter((name) => ["tmp", "etc", "sys"].includes(name))).toEqual([]);
    });
});
