// Network namespaces with a veth pair each, one end outside: for what joins interfaces.

import { join } from "node:path";
import { addressOf, ioctl, syscall } from "../../src/sys/libc.ts";
import { SYSCALL_NUMBERS } from "../../src/sys/syscall-numbers.ts";

function ip(...words: string[]): void {
  const { exitCode, stderr } = Bun.spawnSync(["ip", ...words]);
  if (exitCode !== 0) throw new Error(`ip ${words.join(" ")}: ${stderr}`);
}

/** Why this machine has no veth pairs or network namespaces; undefined where it has. */
export function missingNamespaces(): string | undefined {
  const name = `hp${process.pid % 10_000}`;
  const made = Bun.spawnSync(["sh", "-c", `ip link add ${name}x type veth peer name ${name}y && ip link del ${name}x`]);
  if (made.exitCode !== 0) return "no veth";
  const netns = Bun.spawnSync(["sh", "-c", `ip netns add ${name} && ip netns del ${name}`]);
  return netns.exitCode === 0 ? undefined : "no ip netns";
}

const SIOCETHTOOL = 0x8946; // linux/sockios.h
const ETHTOOL_STXCSUM = 0x17; // linux/ethtool.h
const ETHTOOL_GGRO = 0x2b;
const ETHTOOL_SGRO = 0x2c;
const IFNAMSIZ = 16;

/** ethtool -k and -K: struct ifreq with a pointer to struct ethtool_value; what is there afterwards. */
function feature(name: string, command: number, on = 0): number {
  const value = new Uint32Array([command, on]);
  const request = new Uint8Array(40);
  request.set(new TextEncoder().encode(name));
  const [socket, close] = ["socket", "close"].map((call) => SYSCALL_NUMBERS.get(call) ?? -1);
  const fd = syscall(socket ?? -1, 2, 2, 0);
  new DataView(request.buffer).setBigUint64(IFNAMSIZ, BigInt(addressOf(value)), true);
  const result = ioctl(fd, SIOCETHTOOL, request);
  syscall(close ?? -1, fd);
  if (result < 0) throw new Error(`ethtool ${command} ${name}: errno ${-result}`);
  return value[1] ?? 0;
}

const XDP_PASSES = ["object", join(import.meta.dir, "../../build/fixtures/hooks_network.bpf.o"), "section", "xdp"];

/** Makes veth's driver take redirected packets: by GRO, or where that is no matter of its own yet (5.13) by an XDP program. */
function receiveRedirected(name: string): void {
  if (feature(name, ETHTOOL_GGRO)) ip("link", "set", "dev", name, "xdp", ...XDP_PASSES);
  else feature(name, ETHTOOL_SGRO, 1);
}

/** A namespace and the end of its veth pair that is outside. */
export interface Namespace {
  readonly name: string;
  readonly outside: string;
  readonly inside: string;
  readonly address: string;
}

let made = 0;
const macOf = (host: number) => `02:00:00:00:77:0${host}`;

/** Two namespaces in one network, joined by nothing. Packets leave them with their checksums, as no hardware would add them. */
export function twoNamespaces(): [Namespace, Namespace] {
  const pair = [1, 2].map((host) => {
    const name = `hello${process.pid}x${made++}`;
    const [outside, inside] = [`h${process.pid % 10_000}o${made}`, `h${process.pid % 10_000}i${made}`];
    ip("netns", "add", name);
    ip("link", "add", outside, "type", "veth", "peer", "name", inside, "address", macOf(host));
    feature(inside, ETHTOOL_STXCSUM);
    receiveRedirected(inside);
    ip("link", "set", inside, "netns", name);
    for (const where of [["sh"], ["ip", "netns", "exec", name, "sh"]]) {
      const interfaces = where.length > 1 ? inside : outside;
      // Nothing of its own is to be sent.
      Bun.spawnSync([...where, "-c", `echo 1 >/proc/sys/net/ipv6/conf/${interfaces}/disable_ipv6`]);
    }
    ip("link", "set", outside, "up");
    const address = `10.77.0.${host}`;
    ip("-n", name, "addr", "add", `${address}/24`, "dev", inside);
    ip("-n", name, "link", "set", inside, "up");
    // Nobody has to ask for the other's address, nor asks long after.
    ip("-n", name, "neigh", "add", `10.77.0.${3 - host}`, "lladdr", macOf(3 - host), "dev", inside);
    ip("-n", name, "link", "set", "lo", "up");
    return { name, outside, inside, address };
  });
  return pair as [Namespace, Namespace];
}

export function removeNamespace({ name, outside }: Namespace): void {
  ip("netns", "del", name);
  Bun.spawnSync(["ip", "link", "del", outside]); // goes with its other end, or went
}
