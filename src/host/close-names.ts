// Which names somebody may have meant who wrote another: those that a few slips of the finger lead to.

const MOST = 5;

/** Three rows of the table that `distance` fills, for names of any length that there is. */
let rows = [new Uint16Array(256), new Uint16Array(256), new Uint16Array(256)] as const;

/**
 * Letters put in, left out, changed, or swapped with their neighbour (optimal string alignment), or something above `most`
 * where it is more than that: only cells this near to the diagonal can lead to less, and none behind a row without.
 */
export function distance(a: string, b: string, most: number): number {
  if (Math.abs(a.length - b.length) > most) return most + 1;
  if (b.length >= rows[0].length) rows = [0, 1, 2].map(() => new Uint16Array(2 * b.length)) as unknown as typeof rows;
  let [before, last, row] = rows;
  for (let j = 0; j <= b.length; j++) last[j] = j;
  for (let i = 1; i <= a.length; i++) {
    const [first, end] = [Math.max(1, i - most), Math.min(b.length, i + most)];
    row[first - 1] = first === 1 ? i : most + 1;
    let least = row[first - 1] as number;
    for (let j = first; j <= end; j++) {
      const same = a.charCodeAt(i - 1) === b.charCodeAt(j - 1);
      let cell = (last[j - 1] as number) + (same ? 0 : 1);
      if (j < i + most && (last[j] as number) + 1 < cell) cell = (last[j] as number) + 1;
      if ((row[j - 1] as number) + 1 < cell) cell = (row[j - 1] as number) + 1;
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped && (before[j - 2] as number) + 1 < cell) cell = (before[j - 2] as number) + 1;
      row[j] = cell;
      if (cell < least) least = cell;
    }
    if (least > most) return least;
    [before, last, row] = [last, row, before];
  }
  return last[b.length] as number;
}

/** Whether a good part of a name is this: three letters of twenty say nothing. */
const isPart = (part: string, name: string) => 3 * part.length >= name.length && name.includes(part);

/** The closest first, five at most: those within a third of the name's length, or that hold it, or a part of it. */
export function closeNames(name: string, candidates: Iterable<string>): string[] {
  const close: { candidate: string; slips: number }[] = [];
  const most = Math.max(1, Math.floor(name.length / 3));
  for (const candidate of candidates) {
    const shares = name.length > 2 && (candidate.includes(name) || (candidate.length > 2 && isPart(candidate, name)));
    if (shares) close.push({ candidate, slips: distance(name, candidate, Math.max(name.length, candidate.length)) });
    else if (distance(name, candidate, most) <= most) close.push({ candidate, slips: distance(name, candidate, most) });
  }
  close.sort((a, b) => a.slips - b.slips);
  return close.slice(0, MOST).map(({ candidate }) => candidate);
}

/** `(close: a, b)` to put behind a name that does not exist; "" where none is close. */
export function closeHint(name: string, candidates: Iterable<string>): string {
  const close = closeNames(name, candidates);
  return close.length > 0 ? ` (close: ${close.join(", ")})` : "";
}
