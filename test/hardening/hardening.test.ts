// Nothing in the working directory or the environment runs in our process.
//
// Each attack is first made on a program compiled onto Bun as it is, where the known ones must work: otherwise the
// test below it could not fail. Then on the same program compiled as the executable is, then on the executable.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { compileArguments, template } from "../../scripts/build.ts";
import { harden } from "../../scripts/template/harden.ts";
import { limitProcessors } from "../../scripts/template/processors.ts";
import { Hello, NamedProgram, writes } from "../kernel/support.ts";
import { type Attack, attacks, type Effects, HostilePlace } from "./hostile.ts";

const ROOT = resolve(import.meta.dir, "../..");
const EXECUTABLE = join(ROOT, "hello-ebpf");
const PROBE = "test/hardening/probe.ts";

const place = new HostilePlace();
const hardened = join(place.root, "hardened");
const control = join(place.root, "control");
const open = join(place.root, "open");
const CLEAN: Effects = { output: "ours\ndone\n", status: 0, traces: [], connections: 0 };

function build(args: string[]): void {
  const { exitCode, stderr } = Bun.spawnSync([process.execPath, ...args], { cwd: ROOT });
  if (exitCode !== 0) throw new Error(`Cannot compile the probe: ${stderr}`);
}

beforeAll(() => {
  build(compileArguments([PROBE], hardened, template()));
  build(compileArguments([PROBE], control, process.execPath));
  build(["build", "--compile", `./${PROBE}`, `--outfile=${open}`]);
});
afterAll(() => place.remove());

/** The environment without this run's own paths, so that a test has the same name each time. */
function label({ environment }: Attack): string {
  const words = Object.entries(environment).map(([name, value]) => `${name}=${value.replaceAll(place.root, "")}`);
  return words.join(" ") || "the working directory alone";
}

describe("Bun as it is", () => {
  test("runs a preload of the working directory's bunfig.toml", async () => {
    const effects = await place.run([open], {});
    expect(effects.traces).toContain("foreign-code");
    expect(effects.output).toStartWith("foreign\n");
  });

  for (const attack of attacks(place).filter((attack) => attack.worksOnBun))
    test(`obeys ${label(attack)}`, async () => {
      expect(await place.run([control], attack.environment)).not.toEqual(CLEAN);
    });
});

describe("a program compiled as ours", () => {
  for (const attack of attacks(place))
    test(`is not moved by ${label(attack)}`, async () => {
      expect(await place.run([hardened], attack.environment)).toEqual(CLEAN);
    });

  test("is not moved by a name it is started under", async () => {
    for (const name of ["bun", "bunx", "node"]) {
      const renamed = ["sh", "-c", `exec -a ${name} "$0" "$@"`, hardened, place.preload];
      expect(await place.run(["bash", ...renamed.slice(1)], {})).toEqual(CLEAN);
    }
  });
});

describe("the executable", () => {
  const everything = Object.assign({}, ...attacks(place).map((attack) => attack.environment));

  for (const args of [["--version"], ["--help"], ["--mode", "no-such-mode"]])
    test(`says the same of ${args.join(" ")} with every attack at once`, async () => {
      expect(existsSync(EXECUTABLE)).toBe(true);
      const clean = Bun.spawnSync([EXECUTABLE, ...args], { cwd: ROOT, env: {} });
      const effects = await place.run([EXECUTABLE, ...args], everything);
      expect(effects).toEqual({
        output: `${clean.stdout}${clean.stderr}`,
        status: clean.exitCode,
        traces: [],
        connections: 0,
      });
    });

  test.skipIf(process.getuid?.() !== 0)("opens no debugger and runs no preload while it traces", async () => {
    const effects = await place.run([EXECUTABLE, "--mode", "ring", "--duration", "500ms"], everything);
    expect({ ...effects, output: "" }).toEqual({ ...CLEAN, output: "" });
    expect(effects.output).not.toContain("foreign");
  });
});

describe("on a machine of many processors", () => {
  const shim = join(place.root, "many-processors.so");
  const environment = { LD_PRELOAD: shim };
  /** Of those that the container's limit of 16 leaves to all modes. */
  const FEW = 8;

  beforeAll(() => {
    const source = join(ROOT, "test/hardening/many-processors.c");
    const { exitCode, stderr } = Bun.spawnSync(["clang-19", "-Wall", "-shared", "-fPIC", "-o", shim, source]);
    if (exitCode !== 0) throw new Error(`Cannot compile ${source}: ${stderr}`);
  });

  /** How many threads a program compiled onto a Bun has after collecting garbage. */
  function threads(onto: string): number {
    const program = join(place.root, "threads");
    build(compileArguments(["test/hardening/threads.ts"], program, onto));
    return Number(Bun.spawnSync([program], { env: environment }).stdout);
  }

  test("the engine starts as many threads as on a small one, where Bun as it is starts more", () => {
    expect(threads(template())).toBeLessThanOrEqual(FEW);
    expect(threads(process.execPath)).toBeGreaterThan(FEW);
  });

  test.skipIf(process.getuid?.() !== 0)(
    "and so does the executable, with its waiting thread, while it is busy",
    async () => {
      const dd = new NamedProgram(place.root, "dd");
      const args = ["--mode", "ring", "--syscall", "write", "--comm", dd.name];
      const hello = await new Hello(args, { env: { PATH: process.env.PATH ?? "", ...environment } }).attached();
      const writing = dd.run(writes(300_000));
      let most = 0;
      for (
        let over = false;
        !over;
        over = await Promise.race([writing.then(() => true), Bun.sleep(10).then(() => false)])
      )
        most = Math.max(most, readdirSync(`/proc/${hello.pid}/task`).length);
      const { status, stderr } = await hello.stop();
      expect({ status, counted: stderr.includes("events, ") }).toEqual({ status: 0, counted: true });
      expect(most).toBeLessThanOrEqual(FEW + 2); // the waiting thread, and one that collects its garbage
    },
  );
});

describe("hardening", () => {
  test("refuses a Bun in which a name is not found", async () => {
    const bun = await Bun.file(process.execPath).bytes();
    const twice = harden(bun);
    expect(() => harden(twice)).toThrow("Cannot harden Bun: it does not hold the name");
    expect(() => limitProcessors(Buffer.from(twice))).toThrow(/0 places read WTF_\w+, expected 1$/);
  });
});
