// Requests to rtnetlink and their answers (rtnetlink(7), Documentation/userspace-api/netlink/intro.rst).

import {
  AF_NETLINK,
  NETLINK_ROUTE,
  NLM_F_ACK,
  NLM_F_REQUEST,
  NLMSG_DONE,
  NLMSG_ERROR,
  nlmsgerr,
  nlmsghdr,
  O_CLOEXEC,
  rtattr,
  SOCK_RAW,
} from "elf-loader/uapi";
import { Fd } from "./fd.ts";
import { readInto, syscall, writeFrom } from "./libc.ts";
import { encodeStruct, readField } from "./struct.ts";
import { SYSCALL_NUMBERS } from "./syscall-numbers.ts";

const ALIGNMENT = 4;
const aligned = (length: number): number => (length + ALIGNMENT - 1) & -ALIGNMENT;
const RECEIVE_SIZE = 64 << 10; // more than the kernel puts into one answer

/** Bytes behind each other, each part padded to a word. */
export function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((length, part) => length + aligned(part.byteLength), 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += aligned(part.byteLength);
  }
  return bytes;
}

/** struct rtattr and what it holds; several attributes make a nested one. */
export function attribute(type: number, ...content: readonly Uint8Array[]): Uint8Array {
  const body = content.length === 1 && content[0] ? content[0] : joined(content);
  const header = encodeStruct(rtattr, { rta_len: rtattr.size + body.byteLength, rta_type: type }).bytes;
  return joined([header, body]).subarray(0, rtattr.size + body.byteLength);
}

/** One message of an answer: what kind, and what follows its header. */
export interface NetlinkMessage {
  readonly type: number;
  readonly body: Uint8Array;
}

/** Asks and waits for the answer: its messages, or -errno. A dump (NLM_F_DUMP) answers everything there is. */
export function netlink(type: number, flags: number, body: Uint8Array): NetlinkMessage[] | number {
  const number = syscall(SYSCALL_NUMBERS.get("socket") ?? -1, AF_NETLINK, SOCK_RAW | O_CLOEXEC, NETLINK_ROUTE);
  if (number < 0) return number;
  using socket = new Fd(number);
  const header = encodeStruct(nlmsghdr, {
    nlmsg_len: nlmsghdr.size + body.byteLength,
    nlmsg_type: type,
    nlmsg_flags: flags | NLM_F_REQUEST | NLM_F_ACK,
  }).bytes;
  const sent = writeFrom(socket.number, joined([header, body]));
  return sent < 0 ? sent : receive(socket.number);
}

function receive(socket: number): NetlinkMessage[] | number {
  const messages: NetlinkMessage[] = [];
  const buffer = new Uint8Array(RECEIVE_SIZE);
  for (;;) {
    const length = readInto(socket, buffer);
    if (length < 0) return length;
    for (const message of split(buffer.slice(0, length))) {
      if (message.type === NLMSG_ERROR) {
        const result = readField(nlmsgerr, message.body, "error") | 0;
        return result < 0 ? result : messages;
      }
      if (message.type === NLMSG_DONE) return messages;
      messages.push(message);
    }
  }
}

function* split(bytes: Uint8Array): Generator<NetlinkMessage> {
  let rest = bytes;
  while (rest.byteLength >= nlmsghdr.size) {
    const length = readField(nlmsghdr, rest, "nlmsg_len");
    yield { type: readField(nlmsghdr, rest, "nlmsg_type"), body: rest.subarray(nlmsghdr.size, length) };
    rest = rest.subarray(aligned(length));
  }
}
