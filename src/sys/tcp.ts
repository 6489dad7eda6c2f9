// TCP sockets by their descriptors (tcp(7), ip(7)): for programs that look at sockets, which want descriptors that the
// runtime does not read from. Nothing here blocks.

import {
  AF_INET,
  AF_INET6,
  EAGAIN,
  EINPROGRESS,
  IPPROTO_TCP,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  MSG_PEEK,
  O_CLOEXEC,
  O_NONBLOCK,
  SIOCINQ,
  SIOCOUTQ,
  SO_COOKIE,
  SO_ERROR,
  SO_LINGER,
  SO_RCVLOWAT,
  SO_REUSEADDR,
  SOCK_STREAM,
  SOL_SOCKET,
  sockaddr_in,
  sockaddr_in6,
  TCP_INFO,
  TCP_NODELAY,
  tcp_info,
} from "elf-loader/uapi";
import { Fd } from "./fd.ts";
import { ioctl, syscall } from "./libc.ts";
import { readField } from "./struct.ts";
import { SYSCALL_NUMBERS } from "./syscall-numbers.ts";

/** 4 or 16 bytes in network order, and the port. */
export interface SocketAddress {
  readonly bytes: Uint8Array;
  readonly port: number;
}

const number = (name: string): number => SYSCALL_NUMBERS.get(name) ?? -1;

/** The answer to a family of addresses that no kernel has: -EAFNOSUPPORT, unless something before the kernel refuses. */
export const probeSocket = (): number => syscall(number("socket"), NO_FAMILY, SOCK_STREAM, 0);
const NO_FAMILY = 0x7fff;
/** Likewise, of no socket: -EBADF. */
export const probeBind = (): number => syscall(number("bind"), NO_DESCRIPTOR, 0, 0);
export const probeListen = (): number => syscall(number("listen"), NO_DESCRIPTOR, 0);
const NO_DESCRIPTOR = -1;
const BACKLOG = 4096;
const SHUT_WR = 1; // include/linux/net.h
const FLAGS = O_NONBLOCK | O_CLOEXEC; // the same numbers as SOCK_NONBLOCK and SOCK_CLOEXEC

/** struct sockaddr_in or sockaddr_in6. */
function encodeAddress({ bytes, port }: SocketAddress): Uint8Array {
  const layout = bytes.length === 4 ? sockaddr_in : sockaddr_in6;
  const address = new Uint8Array(layout.size);
  const view = new DataView(address.buffer);
  view.setUint16(0, bytes.length === 4 ? AF_INET : AF_INET6, true);
  view.setUint16(2, port);
  address.set(bytes, bytes.length === 4 ? 4 : 8);
  return address;
}

function decodeAddress(address: Uint8Array): SocketAddress {
  const view = new DataView(address.buffer, address.byteOffset);
  const v4 = view.getUint16(0, true) === AF_INET;
  return { bytes: v4 ? address.slice(4, 8) : address.slice(8, 24), port: view.getUint16(2) };
}

/** A socket that listens, or is connected. Operations give a value >= 0 or -errno. */
export class TcpSocket extends Fd {
  static #open(address: SocketAddress): number {
    return syscall(number("socket"), address.bytes.length === 4 ? AF_INET : AF_INET6, SOCK_STREAM | FLAGS, IPPROTO_TCP);
  }

  /** A listening socket, or which call failed with what -errno. */
  static listen(address: SocketAddress): TcpSocket | { call: string; result: number } {
    const fd = TcpSocket.#open(address);
    if (fd < 0) return { call: "socket()", result: fd };
    const socket = new TcpSocket(fd);
    socket.#set(SOL_SOCKET, SO_REUSEADDR, 1);
    const name = encodeAddress(address);
    const bound = syscall(number("bind"), fd, name, name.length);
    const listening = bound < 0 ? bound : syscall(number("listen"), fd, BACKLOG);
    if (listening >= 0) return socket;
    socket.close();
    return { call: bound < 0 ? "bind()" : "listen()", result: listening };
  }

  /** A socket that is being connected, or -errno: it is done when it is writable, see error(). */
  static connect(address: SocketAddress): TcpSocket | number {
    const fd = TcpSocket.#open(address);
    if (fd < 0) return fd;
    const socket = new TcpSocket(fd);
    socket.#set(IPPROTO_TCP, TCP_NODELAY, 1);
    const name = encodeAddress(address);
    const result = syscall(number("connect"), fd, name, name.length);
    if (result >= 0 || result === -EINPROGRESS) return socket;
    socket.close();
    return result;
  }

  /** The next connection, or -errno: -EAGAIN where none waits. */
  accept(): TcpSocket | number {
    const fd = syscall(number("accept4"), this.number, 0, 0, FLAGS);
    if (fd < 0) return fd;
    const socket = new TcpSocket(fd);
    socket.#set(IPPROTO_TCP, TCP_NODELAY, 1);
    return socket;
  }

  #set(level: number, option: number, ...values: number[]): number {
    const value = new Int32Array(values);
    return syscall(number("setsockopt"), this.number, level, option, value, value.byteLength);
  }

  #get(level: number, option: number, size: number): Uint8Array | number {
    const value = new Uint8Array(size);
    const length = new Uint32Array([size]);
    const result = syscall(number("getsockopt"), this.number, level, option, value, length);
    return result < 0 ? result : value.subarray(0, length[0]);
  }

  /** The errno (positive) that the socket came to since it was last asked, 0 where there is none. */
  error(): number {
    const value = this.#get(SOL_SOCKET, SO_ERROR, 4);
    return typeof value === "number" ? -value : new DataView(value.buffer).getInt32(0, true);
  }

  /** The kernel's number of the socket, as programs see it (SO_COOKIE, 4.12). */
  cookie(): bigint {
    const value = this.#get(SOL_SOCKET, SO_COOKIE, 8);
    return typeof value === "number" ? 0n : new DataView(value.buffer).getBigUint64(0, true);
  }

  local(): SocketAddress {
    return this.#name("getsockname");
  }

  remote(): SocketAddress {
    return this.#name("getpeername");
  }

  #name(call: string): SocketAddress {
    const address = new Uint8Array(sockaddr_in6.size);
    const result = syscall(number(call), this.number, address, new Uint32Array([address.length]));
    return result < 0 ? { bytes: new Uint8Array(4), port: 0 } : decodeAddress(address);
  }

  /** What a reader would find now: bytes (1), the end (0), -EAGAIN nothing yet, or the error of the connection. */
  peek(): number {
    return syscall(number("recvfrom"), this.number, new Uint8Array(1), 1, MSG_PEEK | MSG_DONTWAIT);
  }

  /** Bytes read, 0 at the end, or -errno. */
  receive(buffer: Uint8Array): number {
    return syscall(number("recvfrom"), this.number, buffer, buffer.length, MSG_DONTWAIT);
  }

  /** Bytes taken, or -errno. */
  send(buffer: Uint8Array): number {
    return syscall(number("sendto"), this.number, buffer, buffer.length, MSG_DONTWAIT | MSG_NOSIGNAL);
  }

  /** Bytes that have arrived and nobody has read. */
  unread(): number {
    return this.#queue(SIOCINQ);
  }

  /** Bytes that TCP was ever given to send on this connection, by whomever, in user space or the kernel. */
  handed(): number {
    const info = this.#get(IPPROTO_TCP, TCP_INFO, tcp_info.size);
    const acknowledged = typeof info === "number" ? 0 : readField(tcp_info, info, "tcpi_bytes_acked");
    return acknowledged + this.unacknowledged();
  }

  /** Bytes that TCP was given and the other end has not acknowledged. */
  unacknowledged(): number {
    return this.#queue(SIOCOUTQ);
  }

  #queue(request: number): number {
    const bytes = new Int32Array(1);
    return ioctl(this.number, request, bytes) < 0 ? 0 : (bytes[0] ?? 0);
  }

  /** Has the kernel look at what has arrived as if it had arrived now: tcp_set_rcvlowat() of net/ipv4/tcp.c. */
  lookAgain(): void {
    this.#set(SOL_SOCKET, SO_RCVLOWAT, 1);
  }

  /** Says that nothing more will be sent. */
  finish(): void {
    syscall(number("shutdown"), this.number, SHUT_WR);
  }

  /** Closes with a reset: the other end learns that something went wrong. */
  reset(): void {
    this.#set(SOL_SOCKET, SO_LINGER, 1, 0);
    this.close();
  }
}

/** Whether an operation would have had to wait. */
export const wouldBlock = (result: number): boolean => result === -EAGAIN;
