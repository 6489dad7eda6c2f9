// Figures of interleaved runs, as medians beside their budgets.

/** One line of the table; `better` says which side of the budget is good. */
export interface Row {
  readonly name: string;
  readonly unit: string;
  readonly budget?: number | undefined;
  readonly better: "less" | "more";
  readonly values: number[];
}

export function quantile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? Number.NaN;
}

export const median = (values: readonly number[]): number => quantile(values, 0.5);

const number = (value: number) => (value >= 100 ? value.toFixed(0) : value.toPrecision(3));

function verdict(row: Row): string {
  if (row.budget === undefined) return "";
  const value = median(row.values);
  return (row.better === "less" ? value <= row.budget : value >= row.budget) ? "ok" : "MISSED";
}

/** The table as text: median, fastest and slowest of each row. */
export function render(rows: readonly Row[]): string {
  const cells = rows.map((row) => [
    row.name,
    number(median(row.values)),
    `${number(Math.min(...row.values))} … ${number(Math.max(...row.values))}`,
    row.unit,
    row.budget === undefined ? "" : `${row.better === "less" ? "≤" : "≥"} ${row.budget}`,
    verdict(row),
  ]);
  const all = [["", "median", "range", "", "budget", ""], ...cells];
  const widths = all[0]?.map((_, column) => Math.max(...all.map((line) => line[column]?.length ?? 0))) ?? [];
  const left = new Set([0, 3, 5]);
  return all
    .map((line) =>
      line
        .map((cell, i) => (left.has(i) ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
