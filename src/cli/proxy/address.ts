// `127.0.0.1:8080` and `[::1]:80`, as they are given and shown.

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

/** 127.0.0.0/8 and ::1, and what connect(2) takes for them: 0.0.0.0 and ::. */
const isHere = ({ bytes }: SocketAddress): boolean =>
  bytes.length === 4 ? bytes[0] === 127 || isAny(bytes) : isAny(bytes.subarray(0, -1)) && (bytes.at(-1) ?? 0) <= 1;
const isAny = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0);

/** Whether who connects to an address comes to the one that listens, as far as the two tell. */
export function reaches(to: SocketAddress, listener: SocketAddress): boolean {
  const same = Buffer.compare(to.bytes, listener.bytes) === 0 || (isHere(to) && isAny(listener.bytes));
  return to.port === listener.port && same;
}
