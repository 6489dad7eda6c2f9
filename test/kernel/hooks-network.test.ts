// Hooks of the network, in a network namespace of this thread with nothing in it but what the test sends: UDP to itself.

import { expect, test } from "bun:test";
import { SO_REUSEPORT, SOL_SOCKET } from "elf-loader/uapi";
import type { BpfError, BpfObject } from "../../src/index.ts";
import { conformance, type Row, since } from "./hooks-support.ts";
import { global, load, thrownBy } from "./lib-support.ts";

import { frames, ownNetwork, Socket } from "./sockets.ts";
import { GUEST } from "./support.ts";

ownNetwork();

const ALWAYS = since("5.10");

/** Datagrams over lo, each to a socket that is there: nothing answers them. */
function datagrams(times: number): void {
  using receiver = new Socket().bind();
  using sender = new Socket();
  for (let i = 0; i < times; i++) {
    sender.send(receiver.port);
    expect(receiver.receive()).toBe(8);
  }
}

const onLo = (program: string, on: readonly string[], options = {}): Row => ({
  ...{ program, on, fire: datagrams, options: () => ({ target: "lo", ...options }) },
});

/** A socket that the program is attached to, and that others send to. */
function received(): { fd: number; fire: (times: number) => void } {
  const socket = new Socket().option(SOL_SOCKET, SO_REUSEPORT, 1).bind();
  return {
    fd: socket.fd,
    fire: (times) => {
      using sender = new Socket();
      for (let i = 0; i < times; i++) {
        sender.send(socket.port);
        socket.receive();
      }
    },
  };
}
const filtered = received();
const grouped = received();

conformance("hooks_network", [
  onLo("on_xdp", ALWAYS, { mode: "generic" }),
  onLo("on_xdp_frags", since("6.1"), { mode: "generic" }),
  {
    ...onLo("on_xdp", ALWAYS, { target: "veth0", mode: "native" }),
    name: "on_xdp in the driver",
    fire: (times) => frames(times, "veth1"),
    others: true, // the interfaces look for neighbours by themselves
  },
  {
    ...onLo("on_netkit", GUEST ? since("6.12") : [], { target: "netkit0" }),
    fire: (times) => frames(times, "netkit0"),
    others: true,
  },
  { ...onLo("on_tc", ALWAYS), name: "on_tc of packets that come" },
  { ...onLo("on_tc", ALWAYS, { direction: "egress", priority: 7 }), name: "on_tc of packets that go" },
  onLo("on_tcx_ingress", since("6.12")),
  onLo("on_tcx_egress", since("6.12")),
  onLo("on_netfilter", since("6.12"), { netfilterHook: "local_out", priority: -5 }),
  onLo("on_sk_lookup", ALWAYS, { target: undefined }),
  { program: "on_flow_dissector", on: ALWAYS, fire: (times) => frames(times) },
  { program: "on_socket", on: ALWAYS, fire: filtered.fire, options: () => ({ fd: filtered.fd }) },
  { program: "on_sk_reuseport", on: ALWAYS, fire: grouped.fire, options: () => ({ fd: grouped.fd }) },
]);

const seen = (object: BpfObject) => Number(global(object, "seen").value);
/** Qdiscs of lo by iproute2; undefined where there is none. */
function clsacts(): number | undefined {
  if (!Bun.which("tc")) return undefined;
  return Bun.spawnSync(["tc", "qdisc", "show", "dev", "lo"]).stdout.toString().split("clsact").length - 1;
}

test("an XDP link takes another program in its place, and is detached while its descriptor stays", () => {
  using first = load("hooks_network", "on_xdp");
  using second = load("hooks_network", "on_xdp");
  using link = first.program("on_xdp").attach({ target: "lo", mode: "generic" });
  expect(link.info()).toMatchObject({ type: "xdp" });
  const before = link.info().programId;
  link.update(second.program("on_xdp"));
  datagrams(2);
  expect([seen(first), seen(second)]).toEqual([0, 2]);
  expect(link.info().programId).not.toBe(before);
  link.detach();
  datagrams(2);
  expect(seen(second)).toBe(2);
});

test("a filter is replaced, stands beside others, and takes the qdisc along only where nobody else uses it", () => {
  using first = load("hooks_network", "on_tc");
  using second = load("hooks_network", "on_tc");
  const one = first.program("on_tc").attach("lo");
  const other = second.program("on_tc").attach({ target: "lo", priority: 3 });
  datagrams(1);
  one.update(second.program("on_tc"));
  datagrams(1);
  expect([seen(first), seen(second)]).toEqual([1, 3]);
  one.close();
  datagrams(1);
  expect(seen(second)).toBe(4);
  const left = clsacts();
  other.close();
  datagrams(1);
  expect(seen(second)).toBe(4);
  if (left !== undefined) expect([left, clsacts()]).toEqual([1, 0]);
});

const hasTcx = (() => {
  using object = load("hooks_network", "on_tcx_ingress");
  try {
    object.program("on_tcx_ingress").attach("lo").close();
    return true;
  } catch {
    return false;
  }
})();

test.skipIf(!hasTcx)("programs of an interface run in the order that is asked for", () => {
  using one = load("hooks_network", "on_tcx_ingress");
  using other = load("hooks_network", "last_word");
  const [counted, decides] = [one.program("on_tcx_ingress"), other.program("last_word")];
  const rounds = (options: object): number[] => {
    const before = [seen(one), seen(other)];
    using _first = counted.attach("lo");
    using _second = decides.attach({ target: "lo", ...options });
    datagrams(2);
    return [seen(one) - (before[0] ?? 0), seen(other) - (before[1] ?? 0)];
  };
  expect(rounds({})).toEqual([2, 2]);
  expect(rounds({ before: counted })).toEqual([0, 2]);
  expect(rounds({ before: "all" })).toEqual([0, 2]);
  expect(rounds({ after: counted })).toEqual([2, 2]);
});

test("what is refused says why, and what is near", () => {
  using object = load("hooks_network", "on_xdp", "on_tc", "on_socket");
  const said = (action: () => unknown) => (thrownBy(action) as BpfError).message;
  expect(said(() => object.program("on_xdp").attach("loo"))).toBe(
    "Cannot attach program on_xdp to xdp loo: there is no interface loo (close: lo)",
  );
  expect(said(() => object.program("on_xdp").attach())).toBe(
    "Cannot attach program on_xdp: section xdp names no target, a network interface",
  );
  expect(said(() => object.program("on_socket").attach({ fd: 0 }))).toMatch(
    /^Cannot attach program on_socket to socket descriptor 0: setsockopt\(\) gave E/,
  );
  const native = thrownBy(() => object.program("on_xdp").attach({ target: "lo", mode: "native" })) as BpfError;
  expect([native.errno, native.action]).toEqual(["EOPNOTSUPP", 'attach with mode "generic"']);
  using _link = object.program("on_xdp").attach({ target: "lo", mode: "generic" });
  const taken = thrownBy(() => object.program("on_xdp").attach({ target: "lo", mode: "generic" })) as BpfError;
  expect([taken.class, taken.errno, taken.likely]).toEqual([
    "attach",
    "EBUSY",
    "another XDP program is attached there",
  ]);
});
