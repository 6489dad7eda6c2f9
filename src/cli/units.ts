// Numbers with units, as people write them on a command line.

import { UsageError } from "./exit-status.ts";

const MILLISECONDS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const;
const BYTES = { "": 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 } as const;
/** setTimeout's limit: 24 days, above 596 hours. */
const LONGEST = 2 ** 31 - 1;
/** A ring is looked at twice in a row in one ArrayBuffer, which has less than 4 GiB. */
const LARGEST = 2 ** 30;

/** `500ms`, `10s`, `2m`, `1h` to milliseconds. */
export function parseDuration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text);
  const milliseconds = Number(match?.[1]) * MILLISECONDS[(match?.[2] ?? "s") as keyof typeof MILLISECONDS];
  if (!(milliseconds > 0 && milliseconds <= LONGEST)) {
    throw new UsageError(`Expected a duration up to 596h such as 500ms, 10s or 2m, got ${JSON.stringify(text)}`);
  }
  return milliseconds;
}

/** `64K`, `8M` or plain bytes to bytes. */
export function parseSize(text: string): number {
  const match = /^(\d+)([KMG]?)(?:i?B)?$/i.exec(text);
  const bytes = Number(match?.[1]) * BYTES[(match?.[2] ?? "").toUpperCase() as keyof typeof BYTES];
  if (!(bytes > 0 && bytes <= LARGEST)) {
    throw new UsageError(`Expected a size up to 1G such as 65536, 64K or 8M, got ${JSON.stringify(text)}`);
  }
  return bytes;
}

/** Seconds, with a fraction if need be, to milliseconds. */
export function parseSeconds(text: string): number {
  const milliseconds = /^\d*\.?\d+$/.test(text) ? Number(text) * 1000 : Number.NaN;
  if (!(milliseconds >= 1 && milliseconds <= LONGEST)) {
    const given = JSON.stringify(text);
    throw new UsageError(`Expected seconds from 0.001 to ${LONGEST / 1000} such as 2 or 0.5, got ${given}`);
  }
  return milliseconds;
}

/** A whole number in a range. */
export function parseInteger(text: string, least: number, greatest: number): number {
  const number = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(number >= least && number <= greatest)) {
    throw new UsageError(`Expected a whole number from ${least} to ${greatest}, got ${JSON.stringify(text)}`);
  }
  return number;
}
