// The one file that imports bun:ffi: libc's functions, raw memory, nothing else.
//
// Every function answers as the kernel does: a value >= 0, or the negative errno. Nothing here throws but
// the load of libc itself. Pointers are TypedArrays or addresses as numbers (user addresses are below 2^47,
// exact in a double).

import { dlopen, FFIType, type Pointer, ptr, read, toArrayBuffer } from "bun:ffi";
import { Memory } from "elf-loader";
import { CLOCK_REALTIME } from "elf-loader/uapi";

/** A number where a double holds it, else a bigint: several times faster than always a bigint. */
const i64 = FFIType.i64_fast;

const SYMBOLS = {
  syscall: { args: ["i64", "i64", "i64", "i64", "i64", "i64", "i64"], returns: i64 },
  __errno_location: { args: [], returns: "ptr" },
  mmap: { args: ["i64", "i64", "i32", "i32", "i32", "i64"], returns: i64 },
  munmap: { args: ["i64", "i64"], returns: "i32" },
  open: { args: ["ptr", "i32", "i32"], returns: "i32" },
  openat: { args: ["i32", "ptr", "i32", "i32"], returns: "i32" },
  close: { args: ["i32"], returns: "i32" },
  read: { args: ["i32", "ptr", "i64"], returns: i64 },
  write: { args: ["i32", "ptr", "i64"], returns: i64 },
  ioctl: { args: ["i32", "i64", "i64"], returns: "i32" },
  poll: { args: ["ptr", "i64", "i32"], returns: "i32" },
  epoll_create1: { args: ["i32"], returns: "i32" },
  epoll_ctl: { args: ["i32", "i32", "i32", "ptr"], returns: "i32" },
  epoll_wait: { args: ["i32", "ptr", "i32", "i32"], returns: "i32" },
  eventfd: { args: ["u32", "i32"], returns: "i32" },
  clock_gettime: { args: ["i32", "ptr"], returns: "i32" },
  getrlimit: { args: ["i32", "ptr"], returns: "i32" },
  setrlimit: { args: ["i32", "ptr"], returns: "i32" },
  if_nametoindex: { args: ["ptr"], returns: "u32" },
  sysconf: { args: ["i32"], returns: i64 },
} as const;

/** musl answers to glibc's name too; its own name is for systems that have only that. */
function openLibc() {
  const names = ["libc.so.6", `libc.musl-${process.arch === "arm64" ? "aarch64" : "x86_64"}.so.1`];
  let refusal: unknown;
  for (const name of names) {
    try {
      return dlopen(name, SYMBOLS).symbols;
    } catch (error) {
      refusal ??= error;
    }
  }
  throw new Error(`Cannot open libc (tried ${names.join(", ")}): ${refusal}`);
}

const libc = openLibc();
const errnoAddress = libc.__errno_location() as Pointer;

/** libc says -1 and errno; we say -errno. errno is per thread and is read before anything else can run. */
function result(value: number | bigint): number {
  const number = Number(value);
  return number === -1 ? -read.i32(errnoAddress, 0) : number;
}

/** What may be given where C wants a pointer. 0 is NULL. */
export type Address = NodeJS.TypedArray | number;

/** The address of a TypedArray's first byte. The caller keeps the array alive while the kernel may look at it. */
export function addressOf(pointer: Address): number {
  if (typeof pointer === "number") return pointer;
  return pointer.byteLength === 0 ? 0 : Number(ptr(pointer));
}

const encoder = new TextEncoder();

/** A NUL-terminated copy, as C wants its strings. */
export function cString(text: string): Uint8Array {
  return encoder.encode(`${text}\0`);
}

/** syscall(2): up to six arguments; >= 0 or -errno. */
export function syscall(
  nr: number,
  a: Address = 0,
  b: Address = 0,
  c: Address = 0,
  d: Address = 0,
  e: Address = 0,
  f: Address = 0,
): number {
  return result(libc.syscall(nr, addressOf(a), addressOf(b), addressOf(c), addressOf(d), addressOf(e), addressOf(f)));
}

/** open(2) / openat(2) with O_CLOEXEC left to the caller; a new descriptor or -errno. */
export function open(path: string, flags: number, mode = 0): number {
  return result(libc.open(cString(path), flags, mode));
}
export function openat(directory: number, path: string, flags: number, mode = 0): number {
  return result(libc.openat(directory, cString(path), flags, mode));
}
export function close(fd: number): number {
  return result(libc.close(fd));
}
/** Bytes read or written, or -errno. */
export function readInto(fd: number, buffer: Uint8Array): number {
  return result(libc.read(fd, buffer, buffer.byteLength));
}
export function writeFrom(fd: number, buffer: Uint8Array): number {
  return result(libc.write(fd, buffer, buffer.byteLength));
}
export function ioctl(fd: number, request: number, argument: Address = 0): number {
  return result(libc.ioctl(fd, request, addressOf(argument)));
}

/** The address of the new mapping, or -errno. The address is always below 2^47, so it is never mistaken for one. */
export function mmap(length: number, prot: number, flags: number, fd: number, offset: number, address = 0): number {
  return result(libc.mmap(address, length, prot, flags, fd, offset));
}
export function munmap(address: number, length: number): number {
  return result(libc.munmap(address, length));
}

/** Views over memory that libc or the kernel owns: nothing is freed or unmapped when they are collected. */
export function memoryAt(address: number, length: number): Memory {
  return new Memory(toArrayBuffer(address as Pointer, 0, length));
}

/** toArrayBuffer with what bun:ffi's types leave out: a C function that gives the memory back, and what it is called with. */
const toOwnedBuffer = toArrayBuffer as (
  ...args: [address: number, offset: number, length: number, context: number, deallocator: number]
) => ArrayBuffer;

/** Views over a mapping that is theirs: it is unmapped when the last of them is collected. */
export function ownedMemoryAt(address: number, length: number): Memory {
  // A deallocator gets the address and its context: munmap's two arguments.
  const { ptr: deallocator } = libc.munmap as unknown as { ptr: number };
  return new Memory(toOwnedBuffer(address, 0, length, length, deallocator));
}

/** A load that the JIT neither hoists out of a loop nor makes a locked access (mappings may be read-only). */
export function loadU32(address: number): number {
  return read.u32(address as Pointer, 0);
}

export function poll(fds: Uint8Array, count: number, timeoutMs: number): number {
  return result(libc.poll(fds, count, timeoutMs));
}
export function epollCreate(flags: number): number {
  return result(libc.epoll_create1(flags));
}
export function epollControl(epoll: number, operation: number, fd: number, event: Uint8Array): number {
  return result(libc.epoll_ctl(epoll, operation, fd, event));
}
export function epollWait(epoll: number, events: Uint8Array, maxEvents: number, timeoutMs: number): number {
  return result(libc.epoll_wait(epoll, events, maxEvents, timeoutMs));
}
export function eventfd(initial: number, flags: number): number {
  return result(libc.eventfd(initial, flags));
}

const timespec = new BigInt64Array(2);
/** Nanoseconds since 1970 (CLOCK_REALTIME). */
export function realtimeNanoseconds(): bigint {
  libc.clock_gettime(CLOCK_REALTIME, timespec);
  return (timespec[0] ?? 0n) * 1_000_000_000n + (timespec[1] ?? 0n);
}

export function getrlimit(resource: number, limits: BigUint64Array): number {
  return result(libc.getrlimit(resource, limits));
}
export function setrlimit(resource: number, limits: BigUint64Array): number {
  return result(libc.setrlimit(resource, limits));
}

/** The number of a network interface; 0 where there is none of that name. */
export const interfaceIndex = (name: string): number => libc.if_nametoindex(cString(name));

const SC_PAGESIZE = 30; // glibc bits/confname.h and musl unistd.h
/** Bytes of a page of this machine: 4096, 16384 or 65536. */
export const PAGE_SIZE = result(libc.sysconf(SC_PAGESIZE));
