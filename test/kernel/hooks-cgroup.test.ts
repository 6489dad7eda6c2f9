// Hooks of a cgroup: this process moves into one of its own and does what each hook watches over lo; and those of sockets
// in a map.

import { afterAll, expect, test } from "bun:test";
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SOL_SOCKET } from "elf-loader/uapi";
import { type BpfError, BpfObject } from "../../src/index.ts";
import { mapUpdateElem } from "../../src/sys/bpf.ts";
import { conformance, type Row, since } from "./hooks-support.ts";
import { fixture, global, KERNEL, load, objectPath, thrownBy } from "./lib-support.ts";
import { AF_INET, AF_UNIX, call, ownNetwork, SOCK_DGRAM, SOCK_STREAM, Socket } from "./sockets.ts";
import { hello, linesOf, testHere } from "./support.ts";

ownNetwork();

/** Where cgroups v2 are mounted, here beside v1; mounted for these tests where they are not. */
function cgroups(): string {
  const mounts = readFileSync("/proc/self/mountinfo", "utf8");
  const found = /^\S+ \S+ \S+ \/ (\S+) .* - cgroup2 /m.exec(mounts)?.[1];
  if (found) return found;
  const folder = mkdtempSync(join(tmpdir(), "hello-cgroups-"));
  const { exitCode, stderr } = Bun.spawnSync(["mount", "-t", "cgroup2", "cgroup2", folder]);
  if (exitCode !== 0) throw new Error(`mount: ${stderr}`);
  process.on("exit", () => Bun.spawnSync(["umount", folder]));
  return folder;
}
const ROOT = cgroups();
const BEFORE = ROOT + (/^0::(.*)$/m.exec(readFileSync("/proc/self/cgroup", "utf8"))?.[1] ?? "/");
const CGROUP = `${ROOT}/hello-ebpf-test-${process.pid}`;
mkdirSync(CGROUP);
writeFileSync(`${CGROUP}/cgroup.procs`, `${process.pid}`);
afterAll(() => {
  writeFileSync(`${BEFORE}/cgroup.procs`, `${process.pid}`);
  rmdirSync(CGROUP);
});

const ALWAYS = since("5.10");
const SO_RCVBUF = 8;

const repeat = (once: () => unknown) => (times: number) => {
  for (let i = 0; i < times; i++) once();
};
const within = (program: string, once: () => unknown, on = ALWAYS): Row => ({
  ...{ program, on, fire: repeat(once), options: () => ({ target: CGROUP }) },
});

/** Made before a program is attached, so that only what is done with it is seen. */
const receiver = new Socket().bind();
const sender = new Socket();
const port = receiver.port;
const stranger = new Socket();
const listener = new Socket(AF_INET, SOCK_STREAM).bind().listen();
const listening = listener.port;
const connected = new Socket().connect(port);
afterAll(() => {
  for (const socket of [receiver, sender, stranger, listener, connected]) socket[Symbol.dispose]();
});

function datagram(): void {
  sender.send(port);
  expect(receiver.receive()).toBe(8);
}
const bound = () => new Socket().bind()[Symbol.dispose]();
const unixConnect = () => {
  using socket = new Socket(AF_UNIX, SOCK_DGRAM);
  const name = new Uint8Array([AF_UNIX, 0, 0, 1, 2, 3]); // an abstract name that nobody has
  expect(() => call("connect", socket.fd, name, name.length)).toThrow();
};

conformance("hooks_network", [
  within("on_cgroup_skb_ingress", datagram),
  within("on_cgroup_skb_egress", datagram),
  {
    ...within("on_cgroup_skb", datagram),
    name: "on_cgroup_skb of packets that go, without a link",
    options: () => ({ target: CGROUP, direction: "egress", legacy: true }),
    holds: () => {
      if (KERNEL === "5.10") return; // bpftool ends there at the first attach type that the kernel does not know
      expect(Bun.spawnSync(["bpftool", "cgroup", "show", CGROUP]).stdout.toString()).toMatch(/egress +multi/);
    },
  },
  within("on_sock_create", () => new Socket()[Symbol.dispose]()),
  within("on_sock_release", () => new Socket()[Symbol.dispose]()),
  within("on_post_bind4", bound),
  within("on_bind4", bound),
  within("on_connect4", () => stranger.connect(port)),
  within("on_connect_unix", unixConnect, since("6.12")),
  within("on_sendmsg4", datagram),
  within("on_recvmsg4", datagram),
  within("on_getpeername4", () => connected.peer()),
  within("on_getsockname4", () => receiver.port),
  { ...within("on_sysctl", () => readFileSync("/proc/sys/kernel/ostype", "utf8")), others: true }, // to its end
  within("on_getsockopt", () => receiver.getOption(SOL_SOCKET, SO_RCVBUF)),
  within("on_setsockopt", () => receiver.option(SOL_SOCKET, SO_RCVBUF, 1 << 16)),
  { ...within("on_device", () => closeSync(openSync("/dev/zero", "r"))), others: true },
  {
    ...within("on_sockops", () => new Socket(AF_INET, SOCK_STREAM).connect(listening)[Symbol.dispose]()),
    others: true,
  },
  within("on_lsm_cgroup", bound, since("6.1")),
]);

test("a program of a cgroup is replaced, and of one that is no cgroup it is refused", () => {
  using first = load("hooks_network", "on_bind4");
  using second = load("hooks_network", "on_bind4");
  const seen = (object: BpfObject) => Number(global(object, "seen").value);
  using link = first.program("on_bind4").attach(CGROUP);
  bound();
  link.update(second.program("on_bind4"));
  bound();
  expect([seen(first), seen(second), link.info().type]).toEqual([1, 1, "cgroup"]);
  const refused = (target: string) => thrownBy(() => first.program("on_bind4").attach(target)) as BpfError;
  expect(refused("/tmp")).toMatchObject({ errno: "EBADF", likely: "/tmp is no folder of a cgroup v2 file system" });
  expect(refused(`${CGROUP}/none`)).toMatchObject({ errno: "ENOENT", likely: `there is no ${CGROUP}/none` });
});

testHere("a folder that another user may not read: the least that lets it is named, and is enough", async () => {
  const closed = mkdtempSync(join(tmpdir(), "hello-closed-"));
  afterAll(() => rmdirSync(closed));
  const attach = async (more: string) => {
    const capabilities = `-all,+bpf,+perfmon,+net_admin${more}`;
    const wrapper = ["setpriv", "--reuid=65534", "--clear-groups", `--inh-caps=${capabilities}`];
    const args = ["run", objectPath("map_redirect"), "--duration", "1ms", "--target", `egress=${closed}`];
    const { stderr } = await hello(args, { wrapper: [...wrapper, `--ambient-caps=${capabilities}`] });
    return linesOf(stderr).find((line) => line.includes("program egress "));
  };
  expect(await attach("")).toMatch(/open\(\) gave EACCES: the process lacks CAP_DAC_READ_SEARCH; .*=DAC_READ_SEARCH /);
  expect(await attach(",+dac_read_search")).toContain("is no folder of a cgroup v2");
});

test("a cgroup below one whose program allows no other refuses, and says so", () => {
  using object = BpfObject.load(fixture("hooks_network", "on_connect4"));
  const program = object.program("on_connect4");
  const child = `${CGROUP}/child`;
  mkdirSync(child);
  try {
    using _exclusive = program.attach({ target: CGROUP, legacy: true, flags: 0 });
    for (const how of [{ target: child }, { target: child, legacy: true }, { target: CGROUP }]) {
      const error = thrownBy(() => program.attach(how)) as BpfError;
      expect(error).toMatchObject({ class: "permission", errno: "EPERM", likely: expect.stringContaining("no other") });
    }
  } finally {
    rmdirSync(child);
  }
});

/** A TCP connection to ourselves. */
function connection(): [Socket, Socket] {
  using own = new Socket(AF_INET, SOCK_STREAM).bind().listen();
  const near = new Socket(AF_INET, SOCK_STREAM).connect(own.port);
  return [near, own.accept()];
}

for (const [program, sends] of [
  ["on_sk_msg", 0],
  ["on_sk_skb", 1],
] as const) {
  test(`${program}: what a socket of the map ${sends === 0 ? "sends" : "receives"}`, () => {
    const [near, far] = connection();
    using _near = near;
    using _far = far;
    using object = BpfObject.load(fixture("hooks_network", program));
    const fd = object.map("sockets").fd.number;
    const seen = () => Number(global(object, "seen").value);
    const link = object.program(program).attach({ fd });
    expect(mapUpdateElem(fd, new Uint32Array([0]), new Uint32Array([near.fd]))).toBe(0);
    const transfer = () => {
      const [from, to] = sends === 0 ? [near, far] : [far, near];
      from.send();
      expect(to.receive()).toBe(8);
    };
    transfer();
    transfer();
    expect(seen()).toBe(2);
    link.close();
    // Sockets keep the programs they had when they were put in: the map lets go of them.
    expect((thrownBy(() => object.program(program).attach({ fd: near.fd })) as BpfError).class).toBe("attach");
  });
}
