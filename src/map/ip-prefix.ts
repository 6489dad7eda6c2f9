// Prefixes of IP addresses as the keys of an LPM trie: a length in bits and the address in network order (struct
// bpf_lpm_trie_key). In a trie of 16-byte addresses an IPv4 address is the IPv6 one that stands for it, ::ffff:a.b.c.d
// (RFC 4291, 2.5.5.2).

const MAPPED = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff);
const MAPPED_BITS = MAPPED.length * 8;

/** 010 is 8 to some and 10 to others: to us it is no number. */
const NUMBER = /^(0|[1-9]\d{0,2})$/;

/** The 4 bytes of dotted decimal, or undefined. */
export function parseIPv4(text: string): Uint8Array | undefined {
  const parts = text.split(".");
  if (parts.length !== 4 || !parts.every((part) => NUMBER.test(part))) return undefined;
  const bytes = parts.map(Number);
  return bytes.every((byte) => byte <= 255) ? Uint8Array.from(bytes) : undefined;
}

/** The 16 bytes of an IPv6 address in any of its spellings (RFC 4291, 2.2), or undefined. */
export function parseIPv6(text: string): Uint8Array | undefined {
  const halves = text.split("::");
  if (halves.length > 2 || !text.includes(":")) return undefined;
  const [head, tail] = halves.map(groups);
  if (!head || (halves.length === 2 && !tail)) return undefined;
  const given = head.length + (tail?.length ?? 0);
  if (halves.length === 1 ? given !== 16 : given > 14) return undefined;
  const bytes = new Uint8Array(16);
  bytes.set(head);
  bytes.set(tail ?? [], 16 - (tail?.length ?? 0));
  return bytes;
}

/** Groups of 16 bits between colons, the last may be dotted decimal. */
function groups(text: string): number[] | undefined {
  if (text === "") return [];
  const bytes: number[] = [];
  const parts = text.split(":");
  for (const [i, part] of parts.entries()) {
    const dotted = i === parts.length - 1 ? parseIPv4(part) : undefined;
    if (dotted) bytes.push(...dotted);
    else if (/^[0-9a-fA-F]{1,4}$/.test(part))
      bytes.push(Number.parseInt(part, 16) >> 8, Number.parseInt(part, 16) & 0xff);
    else return undefined;
  }
  return bytes;
}

/** Canonical text: RFC 5952; an IPv4-mapped address as IPv4. */
export function formatAddress(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".");
  if (MAPPED.every((byte, i) => bytes[i] === byte)) return bytes.subarray(MAPPED.length).join(".");
  const words = Array.from({ length: 8 }, (_, i) => ((bytes[2 * i] ?? 0) << 8) | (bytes[2 * i + 1] ?? 0));
  const hex = words.map((word) => word.toString(16));
  const { start, length } = longestZeros(words);
  if (length < 2) return hex.join(":");
  return `${hex.slice(0, start).join(":")}::${hex.slice(start + length).join(":")}`;
}

function longestZeros(words: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  for (let start = 0; start < words.length; start++) {
    let length = 0;
    while (words[start + length] === 0) length++;
    if (length > best.length) best = { start, length };
  }
  return best;
}

/** A prefix: its bytes are those of the whole address. */
export interface IpPrefix {
  readonly bits: number;
  readonly bytes: Uint8Array;
}

/**
 * `10.0.0.0/8`, `2001:db8::/32`, or an address alone, for a trie of addresses of `size` bytes (4 or 16). Throws TypeError
 * where it is none, the length is no length, or bits behind it are set.
 */
export function parsePrefix(text: string, size: number): IpPrefix {
  const [address = "", length, ...more] = text.split("/");
  const v4 = parseIPv4(address);
  const bytes = v4 && size === 16 ? Uint8Array.of(...MAPPED, ...v4) : (v4 ?? parseIPv6(address));
  const fail = (why: string) => new TypeError(`Cannot use ${JSON.stringify(text)} as an IP prefix: ${why}`);
  if (!bytes || more.length > 0) throw fail("expected an address such as 10.0.0.0/8 or 2001:db8::/32");
  if (bytes.length !== size) throw fail("the map holds IPv4 prefixes only");
  const extra = v4 && size === 16 ? MAPPED_BITS : 0;
  const most = size * 8 - extra;
  const bits = length === undefined ? most : NUMBER.test(length) ? Number(length) : Number.NaN;
  if (!(bits <= most)) throw fail(`its length is no number up to ${most}`);
  if (!isClear(bytes, bits + extra)) throw fail(`the address has bits set behind the first ${bits}`);
  return { bits: bits + extra, bytes };
}

function isClear(bytes: Uint8Array, from: number): boolean {
  for (let bit = from; bit < bytes.length * 8; bit++) if ((bytes[bit >> 3] ?? 0) & (0x80 >> (bit & 7))) return false;
  return true;
}

/** The text that parsePrefix() takes, always with a length; bits behind it, which the kernel may keep, are left out. */
export function formatPrefix(prefix: IpPrefix): string {
  const { bits } = prefix;
  const bytes = prefix.bytes.map((byte, i) => byte & (0xff00 >> Math.min(8, Math.max(0, bits - 8 * i))));
  const mapped = bytes.length === 16 && bits >= MAPPED_BITS && MAPPED.every((byte, i) => bytes[i] === byte);
  if (mapped) return `${bytes.subarray(MAPPED.length).join(".")}/${bits - MAPPED_BITS}`;
  return `${formatAddress(bytes)}/${bits}`;
}
