// Iterators among the programs: what each says of everything it goes over, whenever tables are shown.

import { type Attachment, BpfError, PermissionError } from "../../index.ts";
import { escapeMessage } from "../escape.ts";
import { why } from "../report.ts";
import type { Table } from "./table.ts";

/** Whether its program runs when it is read, and writes text. */
export const isIterator = ({ hook }: Attachment): boolean => hook === "iter";

export function iteratorTables(links: readonly Attachment[]): Table[] {
  return links.filter(isIterator).map((link) => ({
    name: link.target,
    touch() {
      const result = textOrError(link);
      if (result instanceof PermissionError) throw result;
    },
    show(report) {
      const text = textOrError(link);
      if (text instanceof BpfError) {
        report.note(why(text));
        return;
      }
      const lines = text === "" ? [] : text.replace(/\n$/, "").split("\n");
      report.record("iter", { iter: link.target, lines }, () =>
        lines.length === 0 ? `${link.target}: empty` : lines.map(escapeMessage).join("\n"),
      );
    },
  }));
}

/** What it says; or why not: its program may refuse, and nothing else need end with it. */
function textOrError(link: Attachment): string | BpfError {
  try {
    return link.read();
  } catch (error) {
    if (error instanceof BpfError) return error;
    throw error;
  }
}
