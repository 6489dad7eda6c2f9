// --mode devmap: two interfaces joined by XDP: what comes in by one goes out by the other, counted for each direction.

import { readFileSync } from "node:fs";
import devmapObject from "../../../build/bpf/hello_devmap.bpf.o" with { type: "file" };
import {
  type Attachment,
  BpfDevMap,
  BpfError,
  BpfObject,
  BpfPerCpuArray,
  type BpfProgram,
  findInterface,
  parseObject,
} from "../../index.ts";
import { UsageError } from "../exit-status.ts";
import type { Report } from "../report.ts";
import { CALL_OPTIONS, type Settings } from "../settings.ts";
import type { Mode, RunningMode } from "./mode.ts";
import { tableSource } from "./table-source.ts";

/** struct hello_traffic of bpf/hello_devmap.bpf.c, of one direction on all CPUs */
interface Traffic {
  readonly packets: bigint;
  readonly bytes: bigint;
  readonly lost: bigint;
}

interface Port {
  readonly name: string;
  readonly index: number;
}

function portOf(name: string | undefined, option: string): Port {
  if (name === undefined) throw new UsageError(`Expected ${option} INTERFACE in mode devmap`);
  const index = findInterface(name);
  if (typeof index === "string") throw new UsageError(`Cannot use ${option}: ${index}`);
  return { name, index };
}

const HOWS = ["native", "generic"] as const;
type How = (typeof HOWS)[number];

interface Joined {
  readonly links: readonly Attachment[];
  /** The ways that were tried before. */
  readonly passedOver: readonly { readonly hook: string; readonly reason: BpfError }[];
}

/** By the first way that both interfaces have: what came in by the one goes out by the same way. */
function join(program: BpfProgram, ports: readonly Port[], [how, ...others]: readonly How[]): Joined {
  const links: Attachment[] = [];
  try {
    for (const { name } of ports) links.push(program.attach({ target: name, mode: how }));
    return { links, passedOver: [] };
  } catch (error) {
    for (const link of links) link.close();
    if (!(error instanceof BpfError) || others.length === 0) throw error;
    const { links: found, passedOver } = join(program, ports, others);
    return { links: found, passedOver: [{ hook: `${how} XDP`, reason: error }, ...passedOver] };
  }
}

function start(settings: Settings, report: Report): RunningMode {
  const ports = [portOf(settings.from, "--from"), portOf(settings.to, "--to")] as const;
  const [from, to] = ports;
  if (from.index === to.index) throw new UsageError(`Expected two interfaces, got ${from.name} twice`);
  const spec = parseObject(readFileSync(devmapObject), "hello_devmap");
  spec.globals.set("from_ifindex", from.index);
  using closing = new DisposableStack();
  const object = closing.use(BpfObject.load(spec));
  const outlets = object.map("ports", BpfDevMap);
  outlets.set(0, to.index).set(1, from.index);
  const traffic = object.map("traffic", BpfPerCpuArray<Traffic>);
  const read = () => ports.map((_, direction) => sumOf(traffic, direction));
  const sayGone = goneSayer(outlets, ports, report);
  const program = object.program("redirect");
  const { links, passedOver } = join(program, ports, settings.xdp ? [settings.xdp] : HOWS);
  for (const link of links) closing.use(link);
  const source = tableSource(
    {
      read,
      total: (rows) => count(rows, "packets"),
      show(rows) {
        sayGone();
        show(rows, ports, report);
      },
    },
    settings,
  );
  const opened = closing.move();
  return {
    attached: { hook: "xdp", target: `${from.name} and ${to.name}`, program: program.name, passedOver },
    source,
    accounts() {
      const rows = read();
      const lost = count(rows, "lost");
      return { produced: count(rows, "packets") + lost, lost };
    },
    missed: () => program.recursionMisses(),
    detach: () => {
      for (const link of links) link.close();
    },
    [Symbol.dispose]: () => opened.dispose(),
  };
}

function sumOf(traffic: BpfPerCpuArray<Traffic>, direction: number): Traffic {
  return traffic.get(direction)?.sum() ?? { packets: 0n, bytes: 0n, lost: 0n };
}

const count = (rows: readonly Traffic[], what: keyof Traffic) => rows.reduce((sum, row) => sum + Number(row[what]), 0);

/** Says once of each interface that it is gone: the kernel has taken it out of the map. */
function goneSayer(outlets: BpfDevMap, [from, to]: readonly [Port, Port], report: Report): () => void {
  const left = new Map([
    [0, to],
    [1, from],
  ]);
  return () => {
    for (const [slot, { name }] of left) {
      if (outlets.has(slot)) continue;
      left.delete(slot);
      report.note(`${name} is gone: what should go out by it is lost`);
    }
  };
}

function show(rows: readonly Traffic[], [from, to]: readonly [Port, Port], report: Report): void {
  const ways = [
    [from.name, to.name],
    [to.name, from.name],
  ] as const;
  const entries = rows.map((row, direction) => {
    const [source = "", target = ""] = ways[direction] ?? [];
    return { from: source, to: target, packets: row.packets, bytes: row.bytes, lost: row.lost };
  });
  report.map("traffic", entries, () =>
    entries
      .map(({ from, to, packets, bytes, lost }) => {
        const missing = lost > 0n ? `, ${lost} lost` : "";
        return `${from} to ${to}: ${packets} packets, ${bytes} bytes${missing}\t`;
      })
      .join(""),
  );
}

export const devmap: Mode = {
  name: "devmap",
  description: "joins --from and --to: packets redirected between two interfaces by XDP, counted each way",
  refreshes: true,
  uses: ["interval", "from", "to", "xdp"],
  ignores: CALL_OPTIONS,
  start,
};
