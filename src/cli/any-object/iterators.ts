// Iterators among the programs: what each says of everything it goes over, whenever tables are shown.

import type { Attachment } from "../../index.ts";
import { escapeMessage } from "../escape.ts";
import type { Table } from "./table.ts";

/** Whether its program runs when it is read, and writes text. */
export const isIterator = ({ hook }: Attachment): boolean => hook === "iter";

export function iteratorTables(links: readonly Attachment[]): Table[] {
  return links.filter(isIterator).map((link) => ({
    name: link.target,
    touch: () => link.read(),
    show(report) {
      const text = link.read();
      const lines = text === "" ? [] : text.replace(/\n$/, "").split("\n");
      report.record("iter", { iter: link.target, lines }, () =>
        lines.length === 0 ? `${link.target}: empty` : lines.map(escapeMessage).join("\n"),
      );
    },
  }));
}
