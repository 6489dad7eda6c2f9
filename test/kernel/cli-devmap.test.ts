// --mode devmap: two network namespaces that nothing joins but its redirect.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { missingNamespaces, type Namespace, removeNamespace, twoNamespaces } from "./namespaces.ts";
import { Hello, hello, KERNEL, linesOf, recordsOf, SLOWNESS, summaryOf } from "./support.ts";

setDefaultTimeout(30_000 + SLOWNESS * 3_000);
const TRANSFER = 20 << 20;
const SCRIPT = join(import.meta.dir, "scripts/transfer.ts");

const missing = missingNamespaces();
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
    // Guests, which have no namespaces to join, have no scripts either.
    const { packageFile } = await import("../../scripts/kernels/download.ts");
    const { BUSYBOX } = await import("../../scripts/kernels/table.ts");
    busybox = packageFile(BUSYBOX, /^(usr\/)?bin\/busybox$/);
    [from, to] = twoNamespaces();
  });
  afterAll(() => [from, to].forEach(removeNamespace));
  const ping = (count: number) =>
    Bun.spawnSync(inside(from, busybox, "ping", "-c", `${count}`, "-i", "0.1", "-w", "2", "-W", "1", to.address));

  test("nothing joins the two before", () => {
    expect(ping(1).exitCode).not.toBe(0);
  });

  for (const xdp of ["native", "generic"] as const) {
    test(`${xdp}: ping and a TCP transfer go across, every packet is counted, and nothing is left`, async () => {
      const args = ["--mode", "devmap", "--from", from.outside, "--to", to.outside, "--xdp", xdp];
      const before = [sent(from), sent(to)];
      const joined = await new Hello([...args, "--interval", "0.5", "--output", "jsonl"]).attached();
      expect(ping(5).stdout.toString()).toContain("5 packets transmitted, 5 packets received");

      const server = Bun.spawn(inside(to, process.execPath, SCRIPT, "serve", "99"), { stdout: "pipe", stderr: "pipe" });
      for await (const chunk of server.stderr) if (new TextDecoder().decode(chunk).includes("listening")) break;
      const client = Bun.spawnSync(inside(from, process.execPath, SCRIPT, "send", to.address, "99", `${TRANSFER}`));
      expect(await server.stdout.text()).toBe(client.stdout.toString());
      expect(client.stdout.toString()).toStartWith(`${TRANSFER} `);

      await Bun.sleep(300); // the last acknowledgements
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

  test("as text, a line every --interval", async () => {
    const { stdout } = await hello([
      ...["--mode", "devmap", "--from", from.outside, "--to", to.outside],
      ...["--interval", "0.2", "--count", "2", "--duration", "5s"],
    ]);
    const row = (a: Namespace, b: Namespace) => `${a.outside} to ${b.outside}: \\d+ packets, \\d+ bytes\t`;
    expect(linesOf(stdout)).toHaveLength(2);
    for (const line of linesOf(stdout)) expect(line).toMatch(new RegExp(`^${row(from, to)}${row(to, from)}$`));
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

test("devmap: what is no interface is said in one line", async () => {
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
