// --mode devmap: two network namespaces that nothing joins but its redirect.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { missingNamespaces, type Namespace, removeNamespace, twoNamespaces } from "./namespaces.ts";
import { GUEST, Hello, hello, KERNEL, linesOf, recordsOf, SLOWNESS, summaryOf, testHere } from "./support.ts";

setDefaultTimeout(30_000 + SLOWNESS * 3_000);
const TRANSFER = GUEST ? 1 << 20 : 20 << 20;

/** Guests have one, and no scripts that download one. */
async function findBusybox(): Promise<string> {
  if (GUEST) return "/bin/busybox";
  const { packageFile } = await import("../../scripts/kernels/download.ts");
  const { BUSYBOX } = await import("../../scripts/kernels/table.ts");
  return packageFile(BUSYBOX, /^(usr\/)?bin\/busybox$/);
}

const missing = GUEST ? undefined : missingNamespaces();
const inside = ({ name }: Namespace, ...command: string[]) => ["ip", "netns", "exec", name, ...command];

/** What a namespace has sent by its veth, as its driver says. */
function sent(namespace: Namespace): number {
  const { stdout } = Bun.spawnSync(
    inside(namespace, "cat", `/sys/class/net/${namespace.inside}/statistics/tx_packets`),
  );
  return Number(stdout.toString());
}

describe.skipIf(missing !== undefined)(`devmap${missing ? ` (${missing})` : ""}`, () => {
  let from: Namespace;
  let to: Namespace;
  let busybox: string;
  beforeAll(async () => {
    busybox = await findBusybox();
    [from, to] = twoNamespaces();
  });
  afterAll(() => [from, to].forEach(removeNamespace));
  const ping = (count: number) =>
    Bun.spawnSync(inside(from, busybox, "ping", "-c", `${count}`, "-i", "0.1", "-w", "2", "-W", "1", to.address));

  /** What arrives of what is sent from one to the other by TCP. */
  async function transfer(data: Uint8Array): Promise<Uint8Array> {
    // A standard input that ends would end the connection.
    const server = Bun.spawn(inside(to, busybox, "nc", "-l", "-p", "99"), { stdin: "pipe", stdout: "pipe" });
    const came = server.stdout.bytes();
    for (let sent = false, attempt = 0; !sent && attempt < 50; attempt++) {
      sent = (await Bun.spawn(inside(from, busybox, "nc", to.address, "99"), { stdin: data }).exited) === 0;
      if (!sent) await Bun.sleep(50); // nobody listens yet
    }
    server.kill();
    return await came;
  }

  test("nothing joins the two before", () => {
    expect(ping(1).exitCode).not.toBe(0);
  });

  for (const xdp of ["native", "generic"] as const) {
    test(`${xdp}: ping and a TCP transfer go across, every packet is counted, and nothing is left`, async () => {
      const args = ["--mode", "devmap", "--from", from.outside, "--to", to.outside, "--xdp", xdp];
      const before = [sent(from), sent(to)];
      const joined = await new Hello([...args, "--interval", "0.5", "--output", "jsonl"]).attached();
      expect(ping(5).stdout.toString()).toContain("5 packets transmitted, 5 packets received");

      const data = randomBytes(TRANSFER);
      expect(data.equals(await transfer(data))).toBe(true);

      await Bun.sleep(GUEST ? 1000 : 300); // the last acknowledgements
      const { status, stdout } = await joined.stop();
      expect(status).toBe(0);
      const counts = recordsOf(stdout).findLast(({ type }) => type === "map")?.entries as Record<string, unknown>[];
      const [there, back] = [sent(from), sent(to)].map((count, way) => count - (before[way] ?? 0));
      expect(counts).toMatchObject([
        { from: from.outside, to: to.outside, packets: there },
        { from: to.outside, to: from.outside, packets: back },
      ]);
      expect(Number(counts[0]?.bytes)).toBeGreaterThan(TRANSFER);
      const total = Number(there) + Number(back);
      expect(summaryOf(stdout)).toEqual({ produced: total, events: total, lost: 0 });

      for (const { outside } of [from, to])
        expect(Bun.spawnSync(["ip", "link", "show", outside]).stdout.toString()).not.toContain("xdp");
      expect(ping(1).exitCode).not.toBe(0);
      console.log(`MATRIX ${KERNEL} devmap xdp-${xdp} ok`);
    });
  }

  testHere("what has nowhere to go is counted as lost, and the interface that is gone is named once", async () => {
    const [one, other] = twoNamespaces();
    try {
      const args = ["--mode", "devmap", "--from", one.outside, "--to", other.outside, "--interval", "0.2"];
      const joined = await new Hello([...args, "--output", "jsonl"]).attached();
      const before = sent(one);
      const pings = (count: number) =>
        Bun.spawnSync(inside(one, busybox, "ping", "-c", `${count}`, "-i", "0.1", "-w", "1", "-W", "1", other.address));
      expect(pings(2).exitCode).toBe(0);
      expect(Bun.spawnSync(["ip", "link", "del", other.outside]).exitCode).toBe(0);
      expect(pings(3).exitCode).not.toBe(0);
      await Bun.sleep(500);
      const { status, stdout, stderr } = await joined.stop();
      const counts = recordsOf(stdout).findLast(({ type }) => type === "map")?.entries as Record<string, number>[];
      const there = counts[0];
      expect(Number(there?.packets)).toBeGreaterThanOrEqual(2);
      expect(Number(there?.lost)).toBeGreaterThanOrEqual(3);
      expect(Number(there?.packets) + Number(there?.lost)).toBe(sent(one) - before);
      expect([status, summaryOf(stdout).lost]).toEqual([0, Number(there?.lost)]);
      expect(stderr.match(/^hello-ebpf: \S+ is gone: what should go out by it is lost$/gm)).toEqual([
        `hello-ebpf: ${other.outside} is gone: what should go out by it is lost`,
      ]);
    } finally {
      [one, other].forEach(removeNamespace);
    }
  });

  testHere("as text, a line every --interval", async () => {
    const { stdout } = await hello([
      ...["--mode", "devmap", "--from", from.outside, "--to", to.outside],
      ...["--interval", "0.2", "--count", "2", "--duration", "5s"],
    ]);
    const row = (a: Namespace, b: Namespace) => `${a.outside} to ${b.outside}: \\d+ packets, \\d+ bytes\t`;
    expect(linesOf(stdout)).toHaveLength(2);
    for (const line of linesOf(stdout)) expect(line).toMatch(new RegExp(`^${row(from, to)}${row(to, from)}$`));
  });

  test("where one driver has no XDP both go by the generic one, which is said; natively it is refused", async () => {
    const args = ["--mode", "devmap", "--from", from.outside, "--to", "lo"];
    const run = await new Hello(args).attached();
    expect(run.stderr).toMatch(
      /^hello-ebpf: passed over native XDP: .* xdp lo: .* gave EOPNOTSUPP: the interface's driver /,
    );
    const { stdout } = Bun.spawnSync(["ip", "link", "show", from.outside]);
    expect(stdout.toString()).toContain(" xdpgeneric ");
    await run.stop();
    const { status, stderr } = await hello([...args, "--xdp", "native"]);
    expect({ status, stderr }).toEqual({ status: 6, stderr: expect.stringMatching(/has no native XDP/) });
  });

  test("what is there already is not taken away", async () => {
    const args = ["--mode", "devmap", "--from", from.outside, "--to", to.outside];
    const first = await new Hello(args).attached();
    const { status, stderr } = await hello(args);
    expect({ status, stderr }).toEqual({ status: 6, stderr: expect.stringMatching(/another XDP program is attached/) });
    expect(ping(1).exitCode).toBe(0);
    await first.stop();
  });
});

testHere("devmap: what is no interface is said in one line", async () => {
  for (const [args, line] of [
    [["--from", "lo"], /Expected --to INTERFACE in mode devmap/],
    [["--from", "loo", "--to", "lo"], /Cannot use --from: there is no interface loo \(close: lo\b/],
    [["--from", "lo", "--to", "lo"], /Expected two interfaces, got lo twice/],
  ] as const) {
    const { status, stderr } = await hello(["--mode", "devmap", ...args]);
    expect({ status, stderr }).toEqual({ status: 2, stderr: expect.stringMatching(line) });
    expect(linesOf(stderr)).toHaveLength(1);
  }
});
