// Whether --mode sockmap would connect to itself.

import { expect, test } from "bun:test";
import { parseSocketAddress, reaches } from "../../src/cli/proxy/address.ts";
import { parseIPv4, parseIPv6 } from "../../src/index.ts";

test("who listens everywhere is reached by each of the machine's addresses", () => {
  const own = [parseIPv4("192.0.2.2"), parseIPv6("2001:db8::2")] as Uint8Array[];
  const answer = (to: string, listener: string) => reaches(parseSocketAddress(to), parseSocketAddress(listener), own);
  for (const [to, listener, is] of [
    ["192.0.2.2:80", "0.0.0.0:80", true],
    ["192.0.2.2:80", "[::]:80", true],
    ["[2001:db8::2]:80", "[::]:80", true],
    ["[2001:db8::2]:80", "0.0.0.0:80", false],
    ["192.0.2.3:80", "0.0.0.0:80", false],
    ["192.0.2.2:81", "0.0.0.0:80", false],
    ["192.0.2.2:80", "127.0.0.1:80", false],
    ["127.0.0.9:80", "0.0.0.0:80", true],
  ] as const)
    expect([to, listener, answer(to, listener)]).toEqual([to, listener, is]);
});
