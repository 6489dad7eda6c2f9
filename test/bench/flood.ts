// Sends the smallest UDP packets as fast as one thread can, for so many milliseconds: `flood.ts HOST MS`.

import { addressOf, syscall } from "../../src/sys/libc.ts";
import { SYSCALL_NUMBERS } from "../../src/sys/syscall-numbers.ts";

const [host = "", ms] = process.argv.slice(2);
const nr = (name: string) => SYSCALL_NUMBERS.get(name) ?? -1;
const [AF_INET, SOCK_DGRAM] = [2, 2];
const AT_ONCE = 64;
const MMSGHDR = 64; // struct mmsghdr: a struct msghdr of 56 bytes and a length
const IOV_AT = 16;
const IOV_COUNT_AT = 24;

const socket = syscall(nr("socket"), AF_INET, SOCK_DGRAM, 0);
const address = new Uint8Array([AF_INET, 0, 0, 9, ...host.split(".").map(Number), 0, 0, 0, 0, 0, 0, 0, 0]);
if (syscall(nr("connect"), socket, address, address.length) < 0) throw new Error("connect");
const payload = new Uint8Array(18); // 60 bytes with its headers: the least that Ethernet takes
const iov = new BigUint64Array([BigInt(addressOf(payload)), BigInt(payload.length)]);
const messages = new Uint8Array(AT_ONCE * MMSGHDR);
const view = new DataView(messages.buffer);
for (let at = 0; at < messages.length; at += MMSGHDR) {
  view.setBigUint64(at + IOV_AT, BigInt(addressOf(iov)), true);
  view.setBigUint64(at + IOV_COUNT_AT, 1n, true);
}
const end = performance.now() + Number(ms);
while (performance.now() < end) syscall(nr("sendmmsg"), socket, messages, AT_ONCE);
