// --mode sockmap: a TCP proxy. Connections are accepted and made here; once a client and its target are connected their
// bytes go from socket to socket in the kernel, and here only the end is noticed, and said.

import { readFileSync } from "node:fs";
import sockmapObject from "../../../build/bpf/hello_sockmap.bpf.o" with { type: "file" };
import {
  BpfArray,
  BpfHashMap,
  BpfObject,
  BpfSockHash,
  errnoName,
  kernelError,
  parseObject,
  type SocketAddress,
  TcpSocket,
} from "../../index.ts";
import { UsageError } from "../exit-status.ts";
import { formatSocketAddress, parseSocketAddress, reaches } from "../proxy/address.ts";
import { TcpProxy } from "../proxy/tcp-proxy.ts";
import type { Report } from "../report.ts";
import { CALL_OPTIONS, type Settings } from "../settings.ts";
import type { Mode, RunningMode } from "./mode.ts";

const REQUIRED = { listen: "--listen", to: "--to" } as const;

function addressOf(settings: Settings, name: keyof typeof REQUIRED): SocketAddress {
  const text = settings[name];
  if (text === undefined) throw new UsageError(`Expected ${REQUIRED[name]} ADDRESS:PORT in mode sockmap`);
  return parseSocketAddress(text);
}

/** What bind(2) fails with besides what evidence tells. */
const TAKEN: { readonly [errno: string]: readonly [likely: string, action: string] } = {
  EADDRINUSE: ["another program listens there", "choose another --listen"],
  EADDRNOTAVAIL: ["it is no address of this machine", "choose another --listen"],
};

function listen(address: SocketAddress): TcpSocket {
  const listener = TcpSocket.listen(address);
  if (listener instanceof TcpSocket) return listener;
  const where = formatSocketAddress(address);
  const { call, result } = listener;
  const [likely, action] = TAKEN[errnoName(result)] ?? [];
  const needs = ["CAP_NET_BIND_SERVICE"]; // for ports below net.ipv4.ip_unprivileged_port_start
  const told = { doing: `listen on ${where}`, call, subject: where, likely, action };
  throw kernelError(result, { ...told, needs });
}

function start(settings: Settings, report: Report): RunningMode {
  const from = addressOf(settings, "listen");
  const to = addressOf(settings, "to");
  const names = { listen: formatSocketAddress(from), to: formatSocketAddress(to) };
  if (reaches(to, from)) throw new UsageError(`Expected --to to lead elsewhere, got ${names.to}, which --listen is`);
  using closing = new DisposableStack();
  const object = closing.use(BpfObject.load(parseObject(readFileSync(sockmapObject), "hello_sockmap")));
  const sources = object.map("sources", BpfSockHash<bigint>);
  for (const program of object.programs.values()) closing.use(program.attach({ fd: sources.fd.number }));
  const maps = {
    sources,
    peers: object.map("peers", BpfSockHash<bigint>),
    forwarded: object.map("forwarded", BpfHashMap<bigint, bigint>),
    total: object.map("total", BpfArray<bigint>),
  };
  const proxy = closing.adopt(new TcpProxy(listen(from), to, maps), (one) => one.close());
  const connections = source(proxy, names.to, report);
  const opened = closing.move();
  return {
    attached: {
      hook: "sk_skb",
      target: `${names.listen} to ${names.to}`,
      program: "forward",
      passedOver: [],
    },
    source: connections,
    accounts: () => ({ produced: proxy.accepted, lost: 0 }),
    missed: () => 0,
    // Every connection writes the maps.
    needed() {
      maps.forwarded.set(0n, 0n);
      maps.forwarded.delete(0n);
    },
    detach: () => proxy.stop(),
    [Symbol.dispose]: () => opened.dispose(),
  };
}

function source(proxy: TcpProxy, to: string, report: Report) {
  let received = 0;
  let wake = () => {};
  proxy.onEnded = () => wake();
  return {
    read(limit: number) {
      const ended = proxy.ended.splice(0, limit);
      for (const { client, sent, received: back, errno } of ended) {
        const error = errno === 0 ? undefined : errnoName(-errno);
        report.event({ client, to, sent, received: back, error }, () =>
          [`${client} to ${to}: ${sent} bytes, ${back} back`, error].filter(Boolean).join(", "),
        );
      }
      received += ended.length;
      return ended.length;
    },
    wait: () =>
      new Promise<void>((resolve) => {
        wake = resolve;
        if (proxy.ended.length > 0) resolve();
      }),
    wake: () => wake(),
    received: () => received,
    [Symbol.dispose]() {},
  };
}

export const sockmap: Mode = {
  name: "sockmap",
  description: "a TCP proxy from --listen to --to whose bytes stay in the kernel; a line for each connection",
  refreshes: false,
  uses: ["listen", "to"],
  ignores: CALL_OPTIONS,
  start,
};
