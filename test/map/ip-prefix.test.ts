// Addresses and prefixes as text, held against what the runtime's own URL and net modules make of them.

import { expect, test } from "bun:test";
import { isIPv4, isIPv6 } from "node:net";
import { formatAddress, formatPrefix, parseIPv4, parseIPv6, parsePrefix } from "../../src/index.ts";

/** Numbers from 0 to below `limit`, the same ones every time (Park and Miller's generator). */
let state = 7;
function random(limit: number): number {
  state = (state * 48271) % 2147483647;
  return state % limit;
}

/** Many zeros, so that they are left out here and there. */
const address = () => Uint8Array.from({ length: 16 }, () => (random(3) === 0 ? random(256) : 0));
const isMapped = (bytes: Uint8Array) => bytes.subarray(0, 10).every((byte) => byte === 0) && bytes[10] === 255;

test("an address has one spelling, that of a URL's host, and is read back from it", () => {
  for (let i = 0; i < 5000; i++) {
    const bytes = address();
    const text = formatAddress(bytes);
    if (!isMapped(bytes)) expect(`[${text}]`).toBe(new URL(`http://[${text}]/`).hostname);
    expect(parseIPv6(text)).toEqual(bytes);
  }
  expect(formatAddress(Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 1, 2, 3))).toBe("10.1.2.3");
});

test("what is an address and what is none, as the runtime says, after slips of any kind", () => {
  const seeds = [
    "2001:db8::1",
    "::",
    "::1",
    "fe80::1:2:3:4",
    "1:2:3:4:5:6:7:8",
    "::ffff:10.0.0.1",
    "10.0.0.1",
    "255.255.255.255",
  ];
  const letters = "0123456789abcdefABCDEFg:.";
  let valid = 0;
  for (let i = 0; i < 20_000; i++) {
    const seed = seeds[random(seeds.length)] as string;
    const at = random(seed.length + 1);
    const letter = letters[random(letters.length)] as string;
    const text = [seed.slice(0, at) + seed.slice(at + 1), seed.slice(0, at) + letter + seed.slice(at), seed][
      random(3)
    ] as string;
    expect([text, parseIPv4(text) !== undefined]).toEqual([text, isIPv4(text)]);
    expect([text, parseIPv6(text) !== undefined]).toEqual([text, isIPv6(text)]);
    if (isIPv6(text) || isIPv4(text)) valid++;
  }
  expect(valid).toBeGreaterThan(5000);
});

test("a prefix is read back from its text, IPv4 among IPv6 too", () => {
  for (let i = 0; i < 5000; i++) {
    const bits = random(129);
    const bytes = address().map((byte, at) => byte & (0xff00 >> Math.min(8, Math.max(0, bits - at * 8))) & 0xff);
    const text = formatPrefix({ bits, bytes });
    expect(parsePrefix(text, 16)).toEqual({ bits, bytes });
  }
  for (let i = 0; i < 5000; i++) {
    // As the kernel may keep it, with bits behind the length: the text is that of the prefix alone.
    const [bits, bytes] = [random(129), address()];
    if (random(2) === 0) bytes.set([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255]);
    const read = parsePrefix(formatPrefix({ bits, bytes }), 16);
    const all = Array.from({ length: 128 }, (_, bit) => bit);
    const bitAt = (of: Uint8Array, bit: number) => ((of[bit >> 3] as number) >> (7 - (bit & 7))) & 1;
    expect([read.bits, all.map((bit) => bitAt(read.bytes, bit))]).toEqual([
      bits,
      all.map((bit) => (bit < bits ? bitAt(bytes, bit) : 0)),
    ]);
  }
  for (const text of ["10.0.0.0/08", "10.0.0.0/+8", "10.0.0.0/8.", "10.0.0.0/ 8", "::/00", "::/129"])
    expect(() => parsePrefix(text, 16)).toThrow(TypeError);
  expect(parsePrefix("10.0.0.0/8", 4)).toEqual({ bits: 8, bytes: Uint8Array.of(10, 0, 0, 0) });
  expect(formatPrefix(parsePrefix("10.0.0.0/8", 16))).toBe("10.0.0.0/8");
});
