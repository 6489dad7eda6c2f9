// hello-ebpf btf dump FILE|vmlinux|MODULE: types as a header in C, which programs include and compilers take.

import { existsSync } from "node:fs";
import { BpfRuntimeError, type Btf, cHeader, closeHint, moduleBtf, moduleNames, vmlinuxBtf } from "../../index.ts";
import { newCommand, parseArguments } from "../command-line.ts";
import { EXIT, UsageError } from "../exit-status.ts";
import { readTypes } from "../object-file.ts";
import type { Output } from "../output.ts";
import type { Command, Prepared } from "./command.ts";

/** The running kernel's own types. */
const KERNEL = "vmlinux";
/** Where the kernel has its own and its modules'. */
const MODULE = /^(?:\/sys\/kernel\/btf\/)?([^/]+)$/;

export const btf: Command = {
  name: "btf",
  description: "prints the types of an object, the kernel or a module as a header in C",
  prepare(argv): Prepared | undefined {
    const command = newCommand("hello-ebpf btf")
      .description("Prints types as a header in C: of a file, of the running kernel or of one of its modules.")
      .argument("<action>", "dump")
      .argument("<file>", `BTF, raw or in an ELF file; ${KERNEL}: the running kernel's; or a module's name`)
      .option("--base <file>", `what the types of a module's file continue: ${KERNEL}, or BTF, raw or in an ELF file`);
    if (!parseArguments(command, argv)) return undefined;
    const [action, path = ""] = command.args;
    if (action !== "dump") throw new UsageError(`Unknown action ${action}: it is dump`);
    const { base } = command.opts<{ base?: string }>();
    return { format: "text", run: ({ output }) => print(read(path, base), output) };
  },
};

/** A file counts more than a module of its name. Throws BpfError. */
function read(path: string, base?: string): Btf {
  if (base !== undefined) return readTypes(path, (base === KERNEL ? vmlinuxBtf() : undefined) ?? readTypes(base));
  const [, name] = MODULE.exec(path) ?? [];
  if (name === undefined || (name === path && existsSync(path))) return readTypes(path);
  const types = name === KERNEL ? vmlinuxBtf() : moduleBtf(name);
  if (types || path !== name) return types ?? readTypes(path);
  throw new BpfRuntimeError(`Cannot find types of ${name}`, {
    subject: name,
    likely: `there is no such file, and no module of that name with BTF is loaded${closeHint(name, moduleNames())}`,
    action: `name a file with BTF, ${KERNEL} or a module that is loaded`,
  });
}

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
