// Packets a second from one network namespace to another: joined by --mode devmap, and by a Linux bridge.

import { join, resolve } from "node:path";
import { type Namespace, removeNamespace, twoNamespaces } from "../kernel/namespaces.ts";
import type { Row } from "./table.ts";

const EXECUTABLE = join(resolve(import.meta.dir, "../.."), "hello-ebpf");
const BRIDGE = `hb${process.pid % 10_000}`;

function run(...command: string[]): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync(command);
  if (exitCode !== 0) throw new Error(`${command.join(" ")}: ${stderr}`);
  return stdout.toString();
}

/** Joins the two; what undoes it. */
type Join = (from: Namespace, to: Namespace) => Promise<() => Promise<void>>;

const devmap =
  (xdp: string): Join =>
  async (from, to) => {
    const args = ["--mode", "devmap", "--from", from.outside, "--to", to.outside, "--xdp", xdp];
    const child = Bun.spawn([EXECUTABLE, ...args], { stdio: ["ignore", "ignore", "pipe"] });
    for await (const chunk of child.stderr) if (new TextDecoder().decode(chunk).includes("attached")) break;
    return async () => {
      child.kill();
      await child.exited;
    };
  };

const bridge: Join = async (from, to) => {
  run("ip", "link", "add", BRIDGE, "up", "type", "bridge");
  for (const { outside } of [from, to]) run("ip", "link", "set", outside, "master", BRIDGE);
  return async () => void run("ip", "link", "del", BRIDGE);
};

const JOINS: readonly (readonly [name: string, join: Join])[] = [
  ["devmap, native XDP", devmap("native")],
  ["devmap, generic XDP", devmap("generic")],
  ["a Linux bridge", bridge],
];

const arrived = ({ name, inside }: Namespace) =>
  Number(run("ip", "netns", "exec", name, "cat", `/sys/class/net/${inside}/statistics/rx_packets`));

/** Packets that arrived a second, each way to join in turn. */
export async function forwarding(rounds: number, ms: number): Promise<Row[]> {
  const [from, to] = twoNamespaces();
  const rows = JOINS.map(
    ([name]): Row => ({ name: `veth to veth by ${name}`, unit: "packets/s", better: "more", values: [] }),
  );
  try {
    for (let round = 0; round < rounds; round++)
      for (const [index, [, join]] of JOINS.entries()) {
        const part = await join(from, to);
        const before = arrived(to);
        run("ip", "netns", "exec", from.name, process.execPath, `${import.meta.dir}/flood.ts`, to.address, `${ms}`);
        rows[index]?.values.push(((arrived(to) - before) / ms) * 1000);
        await part();
      }
  } finally {
    for (const namespace of [from, to]) removeNamespace(namespace);
  }
  return rows;
}
