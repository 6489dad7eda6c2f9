// `127.0.0.1:8080` and `[::1]:80`, as they are given and shown.

import { networkInterfaces } from "node:os";
import { formatAddress, parseIPv4, parseIPv6, type SocketAddress } from "../../index.ts";
import { UsageError } from "../exit-status.ts";

const LARGEST_PORT = 65535;

export function parseSocketAddress(text: string): SocketAddress {
  const match = /^(?:\[(.*)\]|([^:]*)):(\d{1,5})$/.exec(text);
  const bytes = match?.[1] === undefined ? parseIPv4(match?.[2] ?? "") : parseIPv6(match[1]);
  const port = Number(match?.[3]);
  if (bytes && port > 0 && port <= LARGEST_PORT) return { bytes, port };
  throw new UsageError(`Expected an address such as 127.0.0.1:8080 or [::1]:80, got ${JSON.stringify(text)}`);
}

export function formatSocketAddress({ bytes, port }: SocketAddress): string {
  const address = formatAddress(bytes);
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

const isAny = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0);
const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

/** ::ffff:a.b.c.d is a.b.c.d (RFC 4291). */
const MAPPED = parseIPv6("::ffff:0.0.0.0")?.subarray(0, 12) ?? new Uint8Array();
const unmapped = (bytes: Uint8Array): Uint8Array =>
  bytes.length === 16 && same(bytes.subarray(0, 12), MAPPED) ? bytes.subarray(12) : bytes;

const LOOPBACK = [parseIPv4("127.0.0.1"), parseIPv6("::1")] as const;
/** Where connect(2) leads: 0.0.0.0 and :: are 127.0.0.1 and ::1. */
const destination = (bytes: Uint8Array): Uint8Array =>
  (isAny(bytes) ? LOOPBACK[bytes.length === 4 ? 0 : 1] : undefined) ?? bytes;
/** 127.0.0.0/8 and ::1. */
const isHere = (bytes: Uint8Array): boolean =>
  bytes.length === 4 ? bytes[0] === 127 : same(bytes, LOOPBACK[1] ?? new Uint8Array());

/** Of this machine's interfaces, as far as this process's network goes; none where a filter refuses what asks for them. */
function ownAddresses(): Uint8Array[] {
  try {
    const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
    return all.flatMap(({ address }) => parseIPv4(address) ?? parseIPv6(address) ?? []);
  } catch {
    return [];
  }
}

/** Whether who connects to an address comes to the one that listens. */
export function reaches(to: SocketAddress, listener: SocketAddress, own = ownAddresses()): boolean {
  if (to.port !== listener.port) return false;
  const [there, here] = [destination(unmapped(to.bytes)), unmapped(listener.bytes)];
  // :: takes connections of both families.
  const every = isAny(here) && (here.length === 16 || there.length === 4);
  return same(there, here) || (every && (isHere(there) || own.some((address) => same(address, there))));
}
