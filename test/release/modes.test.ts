// The modes that see no execs of everybody's, in containers with the least that each needs: connections, a proxy, two
// interfaces joined, filters that a second call changes. They need podman: bubblewrap's network and root are others.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync } from "node:fs";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { packageFile } from "../../scripts/kernels/download.ts";
import { BUSYBOX } from "../../scripts/kernels/table.ts";
import { missingNamespaces, type Namespace, removeNamespace, twoNamespaces } from "../kernel/namespaces.ts";
import { Socket } from "../kernel/sockets.ts";
import { type Ended, hello, NamedProgram, processes, recordsOf, scratch, summaryOf } from "../kernel/support.ts";
import { Contained, LEAST, NOBODY, privilegesLine, refusedWithLess, with_ } from "./contained.ts";
import { type Restrictions, Runners } from "./runners.ts";

setDefaultTimeout(60_000);
const folder = scratch();
const runners = new Runners();
const HOST = "127.0.0.1";
const network = (...capabilities: string[]): Restrictions => with_({ user: NOBODY, hostNetwork: true, capabilities });
const PROXY = ["--listen", `${HOST}:1`, "--to", `${HOST}:2`];
const JOINED = ["--from", "lo", "--to", "1000000"];

const privileges: string[] = [];
afterAll(() => {
  for (const line of privileges) console.log(line);
});

/** Runs a mode, has something happen, stops it; what it said. Then nothing may run that has less. */
async function during(
  mode: string,
  restrictions: Restrictions,
  options: readonly string[],
  happens: (contained: Contained) => Promise<void>,
): Promise<Ended> {
  const contained = new Contained(runners, restrictions, ["--mode", mode, "--output", "jsonl", "-v", ...options]);
  await contained.hello.attached();
  const kept = await contained.kept();
  await happens(contained);
  const ended = await contained.stop();
  expect({ status: ended.status, stderr: ended.stderr.includes("refused") }).toEqual({ status: 0, stderr: false });
  privileges.push(privilegesLine(mode, restrictions, kept));
  privileges.push(...(await refusedWithLess(runners, mode, restrictions, options)));
  return ended;
}

const lastTable = (stdout: string) => recordsOf(stdout).findLast(({ type }) => type === "map")?.entries;

/** Sends text to a port here; what comes back until the end. */
function exchange(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: HOST, allowHalfOpen: true });
    let back = "";
    socket.on("data", (chunk) => (back += chunk));
    socket.on("end", () => resolve(back));
    socket.on("error", reject);
    socket.end(text);
  });
}

/** A server of this process that sends back what it gets; its port. */
async function echo(): Promise<number> {
  const server = createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket));
  afterAll(() => void server.close());
  await new Promise<void>((resolve) => server.listen(0, HOST, resolve));
  return (server.address() as { port: number }).port;
}

describe.skipIf(!runners.podman)("in a container", () => {
  test("lpm: an unprivileged user with two capabilities sees connections", async () => {
    const options = ["--cidr", "127.99.0.0/16=ours", "--interval", "0.1"];
    const { stdout } = await during("lpm", with_({ user: NOBODY }), options, async () => {
      for (let i = 0; i < 5; i++) {
        using socket = new Socket();
        socket.connect(9, [127, 99, 0, i + 1]);
      }
    });
    expect(lastTable(stdout)).toContainEqual({ key: "ours", value: 5 });
  });

  describe("config: filters in the host's bpffs as systemd mounts it, changed from outside", () => {
    const bpffs = join(folder, "bpffs");
    beforeAll(() => {
      mkdirSync(bpffs);
      const { exitCode } = Bun.spawnSync(["mount", "-t", "bpf", "-o", "mode=0700", "bpf", bpffs]);
      expect(exitCode).toBe(0);
    });
    afterAll(() => void Bun.spawnSync(["umount", bpffs]));

    for (const [name, restrictions] of [
      ["root", { bpffs }],
      [
        "an unprivileged user who may write root's files",
        { bpffs, user: NOBODY, capabilities: ["BPF", "DAC_OVERRIDE", "PERFMON"] },
      ],
    ] as const)
      test(name, async () => {
        const [first, second] = [new NamedProgram(folder, "sh"), new NamedProgram(folder, "sh")];
        const { stdout } = await during("config", with_(restrictions), ["--comm", first.name], async () => {
          await first.run(["-c", processes(3)]);
          expect((await hello(["config", "--pin", bpffs, "--comm", second.name])).status).toBe(0);
          await first.run(["-c", processes(3)]);
          await second.run(["-c", processes(4)]);
        });
        const commands = recordsOf(stdout)
          .filter(({ type }) => type === "event")
          .map(({ command }) => command);
        expect(commands).toEqual([...new Array(3).fill(first.name), ...new Array(4).fill(second.name)]);
        expect((await hello(["config", "--pin", bpffs])).stderr).toContain("no --mode config runs there");
      });
  });

  test("sockmap: a proxy on the host's network", async () => {
    const to = `${HOST}:${await echo()}`;
    const port = 20_000 + (process.pid % 10_000);
    const options = ["--listen", `${HOST}:${port}`, "--to", to];
    const text = "x".repeat(100_000);
    const { stdout } = await during("sockmap", network("BPF", "NET_ADMIN"), options, async ({ hello }) => {
      expect(await exchange(port, text)).toBe(text);
      await hello.until(({ stdout }) => stdout.includes('"type":"event"'));
    });
    const event = recordsOf(stdout).find(({ type }) => type === "event");
    expect(event).toMatchObject({ to, sent: text.length, received: text.length });
    expect(summaryOf(stdout)).toMatchObject({ produced: 1, events: 1, lost: 0 });
  });

  describe.skipIf(missingNamespaces() !== undefined)("between two interfaces", () => {
    let pair: readonly [Namespace, Namespace];
    beforeAll(() => {
      pair = twoNamespaces();
    });
    afterAll(() => pair.forEach(removeNamespace));

    test("devmap: packets cross from one to the other", async () => {
      const [from, to] = pair;
      const busybox = packageFile(BUSYBOX, /^(usr\/)?bin\/busybox$/);
      const options = ["--from", from.outside, "--to", to.outside, "--interval", "0.1"];
      const { stdout } = await during("devmap", network("BPF", "NET_ADMIN", "PERFMON"), options, async () => {
        const ping = ["ip", "netns", "exec", from.name, busybox, "ping", "-c", "5", "-i", "0.1", "-w", "3", to.address];
        expect(Bun.spawnSync(ping).stdout.toString()).toContain("5 packets transmitted, 5 packets received");
      });
      expect(lastTable(stdout)).toMatchObject([{ packets: 5 }, { packets: 5 }]);
    });
  });

  for (const [mode, status, options, restrictions, refusal] of [
    ["sockmap", 3, PROXY, network("BPF"), /gave EPERM: the process lacks CAP_NET_ADMIN; .*--cap-add=NET_ADMIN$/m],
    [
      "sockmap",
      3,
      PROXY,
      network("BPF", "NET_ADMIN"),
      /bind\(\) gave EACCES: the process lacks CAP_NET_BIND_SERVICE; /,
    ],
    ["devmap", 3, JOINED, network("BPF"), /seccomp filter refuses socket\(\); run with --cap-add=NET_ADMIN, which/],
    ["devmap", 3, JOINED, network("BPF", "NET_ADMIN"), /gave EACCES: the process lacks CAP_PERFMON; .*=PERFMON$/m],
    ["config", 1, [], LEAST, /no bpffs is mounted there; .*--volume=\/sys\/fs\/bpf:\/sys\/fs\/bpf$/m],
  ] as const)
    test(`${mode} without what it needs says what that is: ${refusal.source}`, async () => {
      const { status: ended, stderr } = await new Contained(runners, restrictions, [
        "--mode",
        mode,
        ...options,
      ]).hello.ended();
      expect({ status: ended, stderr }).toEqual({ status, stderr: expect.stringMatching(refusal) });
    });
});
