// Power-of-two histograms as bars, in the shape that BCC's print_log2_hist has made usual.

const BAR = 40;

/** A slot's range: the values whose highest bit is the slot's number. */
function range(slot: number): [bigint, bigint] {
  return slot === 0 ? [0n, 1n] : [1n << BigInt(slot), (1n << BigInt(slot + 1)) - 1n];
}

/** A count, or those of all CPUs where their sum is more than the type holds. */
export type Slot = number | bigint | readonly (number | bigint)[];

const countOf = (slot: Slot): number =>
  typeof slot === "object" ? slot.reduce<number>((sum, count) => sum + Number(count), 0) : Number(slot);

/** Lines for the slots up to the last that is not empty; none where all are. undefined where one is no count. */
export function histogramLines(slots: readonly Slot[]): string[] | undefined {
  const counts = slots.map(countOf);
  if (!counts.every((count) => count >= 0)) return undefined;
  const used = counts.findLastIndex((count) => count > 0) + 1;
  if (used === 0) return [];
  const most = Math.max(...counts);
  const widest = String(range(used - 1)[1]).length;
  const width = Math.max(widest, 5);
  const head = `${"value".padStart(2 * width + 4)} : ${"count".padEnd(10)} distribution`;
  return [head, ...counts.slice(0, used).map((count, slot) => line(count, slot, most, width))];
}

function line(count: number, slot: number, most: number, width: number): string {
  const [low, high] = range(slot);
  const stars = "*".repeat(Math.floor((count * BAR) / most)).padEnd(BAR);
  return `${String(low).padStart(width)} -> ${String(high).padEnd(width)} : ${String(count).padEnd(10)} |${stars}|`;
}
