// What bytes cost on their way through a TCP proxy: --mode sockmap beside socat and a proxy in Bun, and beside no proxy.
//
// CPU is the whole machine's, client and target included: what sockmap does is done by no process of ours. The same bytes
// go from the same client to the same target, through each in turn.

import { connect } from "node:net";
import { join, resolve } from "node:path";
import { packageFile } from "../../scripts/kernels/download.ts";
import type { DebianPackage } from "../../scripts/kernels/table.ts";
import { machineCpu } from "./clock.ts";
import type { Row } from "./table.ts";

const ROOT = resolve(import.meta.dir, "../..");
const HOST = "127.0.0.1";
const CHUNK = new Uint8Array(256 << 10);

const debian = (name: string): DebianPackage => ({
  ...{ id: name, suite: "bookworm", package: new RegExp(`^${name}$`), architecture: "amd64" },
});

interface Proxy {
  readonly name: string;
  /** Undefined where the client goes to the target itself. */
  readonly command?: (from: number, to: number) => string[];
  readonly env?: Record<string, string>;
}

/** socat is unpacked, not installed. */
function socat(): Proxy[] {
  try {
    const program = packageFile(debian("socat"), /\/bin\/socat1?$/);
    const library = packageFile(debian("libwrap0"), /\/libwrap\.so\.0$/);
    const command = (from: number, to: number) => [
      ...[program, "-b262144", `TCP-LISTEN:${from},bind=${HOST},reuseaddr,fork`, `TCP:${HOST}:${to}`],
    ];
    return [{ name: "socat", command, env: { LD_PRELOAD: library } }];
  } catch (error) {
    console.error(`bench: without socat: ${error instanceof Error ? error.message : error}`);
    return [];
  }
}

const proxies = (): Proxy[] => [
  { name: "none" },
  {
    name: "sockmap",
    command: (from, to) => [
      ...[join(ROOT, "hello-ebpf"), "--mode", "sockmap"],
      ...["--listen", `${HOST}:${from}`, "--to", `${HOST}:${to}`],
    ],
  },
  ...socat(),
  {
    name: "Bun",
    command: (from, to) => [process.execPath, join(import.meta.dir, "proxy.ts"), `${from}`, `${to}`],
  },
];

/** Whether somebody listens there by now. */
async function listens(port: number): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const reached = await new Promise<boolean>((resolve) => {
      const socket = connect(port, HOST, () => {
        socket.destroy();
        resolve(true);
      }).on("error", () => resolve(false));
    });
    if (reached) return;
    await Bun.sleep(20);
  }
  throw new Error(`nobody listens on ${port}`);
}

/** Sends so many bytes to the target's port or the proxy's; settles when the target has them all. */
async function send(port: number, bytes: number, arrived: () => Promise<void>): Promise<void> {
  const done = arrived();
  const socket = connect(port, HOST);
  for (let left = bytes; left > 0; left -= CHUNK.length)
    if (!socket.write(CHUNK)) await new Promise((resolve) => socket.once("drain", resolve));
  socket.end();
  await done;
}

/** A way to the target under way, and its figures. */
interface Way {
  readonly port: number;
  readonly speed: Row;
  readonly cpu: Row;
}

/** Throughput and CPU of each, `rounds` times in turn. */
export async function proxying(rounds: number, bytes: number): Promise<Row[]> {
  const children: Bun.Subprocess[] = [];
  try {
    const sink = Bun.spawn([process.execPath, join(import.meta.dir, "sink.ts"), `${bytes}`], { stdout: "pipe" });
    children.push(sink);
    const lines = sink.stdout.pipeThrough(new TextDecoderStream()).getReader();
    const next = async () => (await lines.read()).value ?? "";
    const target = Number(await next());
    const ways = await Promise.all(proxies().map((proxy, index) => startProxy(proxy, target, index, children)));
    for (let round = 0; round < rounds; round++)
      for (const way of ways) await measure(way, bytes, async () => void (await next()));
    return ways.flatMap(({ speed, cpu }) => [speed, cpu]);
  } finally {
    for (const child of children) child.kill();
  }
}

async function startProxy(proxy: Proxy, target: number, index: number, children: Bun.Subprocess[]): Promise<Way> {
  const { name, command, env } = proxy;
  const port = command ? target + 1 + index : target;
  if (command) {
    const stdio: ["ignore", "ignore", "ignore"] = ["ignore", "ignore", "ignore"];
    children.push(Bun.spawn(command(port, target), { env: { ...process.env, ...env }, stdio }));
    await listens(port);
  }
  const row = (what: string, unit: string, better: Row["better"]): Row => ({
    ...{ name: `proxy ${name}: ${what}`, unit, better, values: [] },
  });
  return { port, speed: row("throughput", "MB/s", "more"), cpu: row("CPU of the machine", "s/GB", "less") };
}

async function measure({ port, speed, cpu }: Way, bytes: number, arrived: () => Promise<void>): Promise<void> {
  const [start, busy] = [performance.now(), machineCpu()];
  await send(port, bytes, arrived);
  speed.values.push(bytes / 1e3 / (performance.now() - start));
  cpu.values.push(((machineCpu() - busy) / bytes) * 1e9);
}
