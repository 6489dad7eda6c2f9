// Sockets of this thread by the system calls themselves: their descriptors are what hooks are attached to, and every
// packet is one that the test sends. In a network namespace of the test's own only its packets are seen.

import { afterAll } from "bun:test";
import { closeSync, openSync } from "node:fs";
import { SOL_SOCKET } from "elf-loader/uapi";
import { type Address, close, interfaceIndex, readInto, syscall } from "../../src/sys/libc.ts";
import { SYSCALL_NUMBERS } from "../../src/sys/syscall-numbers.ts";

/** A system call by name; throws where it fails. */
export function call(name: string, ...args: Address[]): number {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = args;
  const result = syscall(SYSCALL_NUMBERS.get(name) ?? -1, a, b, c, d, e, f);
  if (result < 0) throw new Error(`${name} gave ${-result}`);
  return result;
}

const SO_RCVTIMEO = 20;
const CLONE_NEWNET = 0x40000000;

/** From before the tests of a file to after them this thread has a network namespace of its own, with its lo up. */
export function ownNetwork(): void {
  let before = -1;
  const enter = () => {
    before = openSync("/proc/thread-self/ns/net", "r");
    call("unshare", CLONE_NEWNET);
    const { exitCode, stderr } = Bun.spawnSync(["ip", "link", "set", "lo", "up"]);
    if (exitCode !== 0) throw new Error(`ip: ${stderr}`);
    // Pairs of interfaces, where the kernel has them.
    Bun.spawnSync(["ip", "link", "add", "veth0", "type", "veth", "peer", "name", "veth1"]);
    Bun.spawnSync(["ip", "link", "add", "netkit0", "type", "netkit"]); // its peer, which is made first, is nk0
    for (const name of ["veth0", "veth1", "netkit0", "nk0"]) Bun.spawnSync(["ip", "link", "set", name, "up"]);
  };
  enter(); // what a kernel has is tried as the file is read
  afterAll(() => {
    call("setns", before, CLONE_NEWNET);
    closeSync(before);
  });
}

export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_PACKET = 17;
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_RAW = 3;

/** struct sockaddr_in. */
export function address(port: number, host: readonly number[] = [127, 0, 0, 1]): Uint8Array {
  const bytes = new Uint8Array(16);
  new DataView(bytes.buffer).setUint16(0, AF_INET, true);
  new DataView(bytes.buffer).setUint16(2, port);
  bytes.set(host, 4);
  return bytes;
}

/** A socket that closes itself. */
export class Socket implements Disposable {
  readonly fd: number;

  constructor(family = AF_INET, type = SOCK_DGRAM, fd?: number) {
    this.fd = fd ?? call("socket", family, type, 0);
    // What does not come must not stop the tests for ever: struct timeval.
    call("setsockopt", this.fd, SOL_SOCKET, SO_RCVTIMEO, new BigInt64Array([2n, 0n]), 16);
  }

  option(level: number, name: number, value: number): this {
    call("setsockopt", this.fd, level, name, new Int32Array([value]), 4);
    return this;
  }

  getOption(level: number, name: number): void {
    call("getsockopt", this.fd, level, name, new Int32Array(1), new Uint32Array([4]));
  }

  bind(port = 0): this {
    call("bind", this.fd, address(port), 16);
    return this;
  }

  get port(): number {
    const bytes = new Uint8Array(16);
    call("getsockname", this.fd, bytes, new Uint32Array([16]));
    return new DataView(bytes.buffer).getUint16(2);
  }

  peer(): void {
    call("getpeername", this.fd, new Uint8Array(16), new Uint32Array([16]));
  }

  connect(port: number, host?: readonly number[]): this {
    call("connect", this.fd, address(port, host), 16);
    return this;
  }

  listen(): this {
    call("listen", this.fd, 16);
    return this;
  }

  accept(): Socket {
    return new Socket(AF_INET, SOCK_STREAM, call("accept4", this.fd, 0, 0, 0));
  }

  /** To a port, or to whom it is connected. */
  send(port?: number): void {
    const to = port === undefined ? [0, 0] : [address(port), 16];
    call("sendto", this.fd, new Uint8Array(8), 8, 0, ...to);
  }

  /** Bytes received; the address of who sent them is asked for. */
  receive(): number {
    const from = new Uint8Array(16);
    return call("recvfrom", this.fd, new Uint8Array(64), 64, 0, from, new Uint32Array([16]));
  }

  read(): number {
    return readInto(this.fd, new Uint8Array(64));
  }

  [Symbol.dispose](): void {
    close(this.fd);
  }
}

/** Frames of no protocol that anybody knows, put on an interface as they are: the kernel looks where their headers end. */
export function frames(times: number, name = "lo"): void {
  using socket = new Socket(AF_PACKET, SOCK_RAW);
  const to = new Uint8Array(20); // struct sockaddr_ll: family, protocol, the interface's number
  new DataView(to.buffer).setUint16(0, AF_PACKET, true);
  new DataView(to.buffer).setUint16(2, 0x88b5); // ETH_P_802_EX1
  new DataView(to.buffer).setInt32(4, interfaceIndex(name), true);
  for (let i = 0; i < times; i++) call("sendto", socket.fd, new Uint8Array(64), 64, 0, to, to.byteLength);
}
