// Wall-clock time with nanoseconds.

import { realtimeNanoseconds } from "../index.ts";

const NS_PER_MS = 1_000_000n;

/** ISO 8601 in UTC: 2026-11-23T01:38:00.123456789Z */
export function timestamp(nanoseconds: bigint = realtimeNanoseconds()): string {
  const milliseconds = nanoseconds / NS_PER_MS;
  const rest = (nanoseconds % NS_PER_MS).toString().padStart(6, "0");
  return new Date(Number(milliseconds)).toISOString().replace("Z", `${rest}Z`);
}
