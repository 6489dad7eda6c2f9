// hello-ebpf btf dump FILE|vmlinux: types as a header in C, which programs include and compilers take.

import { type Btf, cHeader, vmlinuxBtf } from "../../index.ts";
import { newCommand, parseArguments } from "../command-line.ts";
import { EXIT, UsageError } from "../exit-status.ts";
import { readTypes } from "../object-file.ts";
import type { Output } from "../output.ts";
import type { Command, Prepared } from "./command.ts";

/** The running kernel's own types. */
const KERNEL = "vmlinux";

export const btf: Command = {
  name: "btf",
  description: "prints the types of an object or of the kernel as a header in C",
  prepare(argv): Prepared | undefined {
    const command = newCommand("hello-ebpf btf")
      .description("Prints the types of BTF, raw or in an ELF file, or of the running kernel, as a header in C.")
      .argument("<action>", "dump")
      .argument("<file>", `BTF, raw or in an ELF file; ${KERNEL}: the running kernel's`);
    if (!parseArguments(command, argv)) return undefined;
    const [action, path = ""] = command.args;
    if (action !== "dump") throw new UsageError(`Unknown action ${action}: it is dump`);
    return { format: "text", run: ({ output }) => print(read(path), output) };
  },
};

const read = (path: string): Btf => (path === KERNEL ? vmlinuxBtf() : undefined) ?? readTypes(path);

/** Characters between looks at whether anybody reads. */
const CHUNK = 1 << 16;

async function print(types: Btf, output: Output): Promise<number> {
  let waiting = 0;
  for (const text of cHeader(types)) {
    if (output.broken) break;
    output.line(text.replace(/\n$/, ""));
    waiting += text.length;
    if (waiting < CHUNK) continue;
    await output.flush();
    waiting = 0;
  }
  await output.flush();
  return EXIT.done;
}
