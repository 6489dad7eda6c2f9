// Prefixes of addresses and what they are called: --cidr 10.0.0.0/8=office.

import { parsePrefix } from "../index.ts";
import { UsageError } from "./exit-status.ts";

export interface Cidr {
  /** `10.0.0.0/8`, `2001:db8::/32` */
  readonly prefix: string;
  readonly name: string;
}

/** What no prefix covers. */
export const OTHER = "other";

/** Where nothing is asked for: RFC 1122, 1918, 3927, 4193, 4291. */
export const DEFAULT_CIDRS: readonly Cidr[] = [
  { prefix: "127.0.0.0/8", name: "loopback" },
  { prefix: "::1/128", name: "loopback" },
  { prefix: "10.0.0.0/8", name: "private" },
  { prefix: "172.16.0.0/12", name: "private" },
  { prefix: "192.168.0.0/16", name: "private" },
  { prefix: "fc00::/7", name: "private" },
  { prefix: "169.254.0.0/16", name: "link-local" },
  { prefix: "fe80::/10", name: "link-local" },
];

const IPV6_BYTES = 16;

/** One more of a repeated option. Throws UsageError. */
export function addCidr(text: string, before: readonly Cidr[] = []): Cidr[] {
  const [prefix = "", ...name] = text.split("=");
  if (name.join("=") === "")
    throw new UsageError(`Expected PREFIX=NAME such as 10.0.0.0/8=office, got ${JSON.stringify(text)}`);
  try {
    parsePrefix(prefix, IPV6_BYTES);
  } catch (error) {
    throw error instanceof TypeError ? new UsageError(error.message) : error;
  }
  return [...before, { prefix, name: name.join("=") }];
}
