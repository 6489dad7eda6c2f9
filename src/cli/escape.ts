// Text from strangers. A process can set its name to anything; a terminal obeys control characters.

import { isEscapedByte } from "../index.ts";

/** C0, DEL, C1; line and paragraph separators; what changes the direction of text (Unicode UAX #9). */
const DANGEROUS = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]/;
const DANGEROUS_ALL = new RegExp(`${DANGEROUS.source}|\\\\`, "g");
const DANGEROUS_BUT_BACKSLASH = new RegExp(DANGEROUS.source, "g");

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, "0");
}

/** A byte as \xNN, also one that was not UTF-8; a character of several bytes as \u{NNNN}. */
function escapeUnit(unit: string): string {
  const code = unit.charCodeAt(0);
  if (isEscapedByte(code)) return `\\x${hex(code - 0xdc00, 2)}`;
  if (unit === "\\") return "\\\\";
  return code < 0x80 ? `\\x${hex(code, 2)}` : `\\u{${hex(code, 4)}}`;
}

/** For a terminal, told apart: a backslash is doubled, so that nothing that is shown can be two things. */
export function escapeText(text: string): string {
  return escapeWith(text, DANGEROUS_ALL);
}

/** What escapeText() made of it, or a person typed as it does; a backslash before anything else is one. */
export function unescapeText(text: string): string {
  return text.replace(/\\(?:(\\)|x([0-9a-f]{2})|u\{([0-9a-f]{1,4})\})/g, (_, backslash, byte, code) => {
    if (backslash) return backslash;
    const number = Number.parseInt(byte ?? code, 16);
    return String.fromCharCode(byte && number >= 0x80 ? 0xdc00 + number : number);
  });
}

/** For a terminal, a line that the kernel wrote about a process: backslashes stay as they are. */
export function escapeLine(line: string): string {
  return escapeWith(line, DANGEROUS_BUT_BACKSLASH);
}

/** For a terminal, a message or a line of the verifier's log: tabs stay as well. */
export function escapeMessage(line: string): string {
  return line.split("\t").map(escapeLine).join("\t");
}

/** Surrogate pairs are one character and stay; a lone surrogate is a byte that was not UTF-8. */
function escapeWith(text: string, pattern: RegExp): string {
  if (!DANGEROUS.test(text) && !text.includes("\\")) return text;
  let escaped = "";
  for (const character of text) escaped += character.length > 1 ? character : character.replace(pattern, escapeUnit);
  return escaped;
}
