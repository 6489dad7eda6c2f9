// The handler's bytes are what clang makes of the text beside them, on both machines.

import { expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseElf } from "../../src/elf-loader/elf/elf-file.ts";
import { HANDLER_CODE, handlerBytes } from "../../src/sys/thread-code.ts";

/** The .text of an assembly. Labels stand before their instruction; an arm64 number alone is a place after the start. */
function assemble(target: string, lines: readonly string[]): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), "hello-code-"));
  const object = join(folder, "code.o");
  const intel = target.startsWith("x86") ? ".intel_syntax noprefix\n" : "";
  writeFileSync(join(folder, "code.s"), `${intel}${lines.join("\n")}\n`);
  try {
    execFileSync("clang-19", ["-target", target, "-c", "-o", object, join(folder, "code.s")]);
    const bytes = readFileSync(object);
    bytes.writeUInt16LE(0, 18); // e_machine: our parser looks at eBPF objects, or at those of no machine
    const text = parseElf(bytes).sections.find(({ name }) => name === ".text");
    if (!text) throw new Error("clang made no .text");
    return text.data;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

for (const [architecture, target] of [
  ["x64", "x86_64-linux-gnu"],
  ["arm64", "aarch64-linux-gnu"],
] as const)
  test(`${architecture}: the bytes are those of the instructions`, () => {
    const handler = HANDLER_CODE[architecture];
    if (!handler) throw new Error(`no code for ${architecture}`);
    const text = handler.rows.map(([, instruction]) => instruction);
    expect(Buffer.from(handlerBytes(handler)).toString("hex")).toBe(
      Buffer.from(assemble(target, text)).toString("hex"),
    );
  });
