// Which names somebody may have meant who wrote another: those that a few slips of the finger lead to.

const MOST = 5;

/** Letters put in, left out, changed, or swapped with their neighbour (optimal string alignment). */
function distance(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const changed = (last[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped = a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? (before[j - 2] ?? changed) + 1 : changed;
      row.push(Math.min(changed, swapped, (last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1));
    }
    [before, last] = [last, row];
  }
  return last[b.length] ?? 0;
}

/** The closest first, five at most: those within a third of the name's length, or that hold it, or a part of it. */
export function closeNames(name: string, candidates: Iterable<string>): string[] {
  const close: { candidate: string; slips: number }[] = [];
  const most = Math.max(1, name.length / 3);
  for (const candidate of candidates) {
    const shares = name.length > 2 && candidate.length > 2 && (candidate.includes(name) || name.includes(candidate));
    // A kernel has 200,000 functions: what differs more in length alone is not looked at.
    if (!shares && Math.abs(name.length - candidate.length) > most) continue;
    const slips = distance(name, candidate);
    if (slips <= most || shares) close.push({ candidate, slips });
  }
  close.sort((a, b) => a.slips - b.slips);
  return close.slice(0, MOST).map(({ candidate }) => candidate);
}

/** `(close: a, b)` to put behind a name that does not exist; "" where none is close. */
export function closeHint(name: string, candidates: Iterable<string>): string {
  const close = closeNames(name, candidates);
  return close.length > 0 ? ` (close: ${close.join(", ")})` : "";
}
