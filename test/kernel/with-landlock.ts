// Runs a command that may do one thing everywhere but below one folder (landlock(7)): `bun with-landlock.ts read_file=FOLDER
// COMMAND ARGS`.

import { constants, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { O_CLOEXEC, O_PATH } from "elf-loader/uapi";
import { open, syscall } from "../../src/sys/libc.ts";
import { SYSCALL_NUMBERS } from "../../src/sys/syscall-numbers.ts";

// linux/landlock.h
const LANDLOCK_RULE_PATH_BENEATH = 1;
/** LANDLOCK_ACCESS_FS_*, and what rules of it may be about. */
const ACCESSES: { readonly [name: string]: readonly [access: bigint, flags: number] } = {
  read_file: [4n, 0],
  read_dir: [8n, constants.O_DIRECTORY],
  make_reg: [256n, constants.O_DIRECTORY],
};

function call(
  name: string,
  ...args: Parameters<typeof syscall> extends [number, ...infer Rest] ? Rest : never
): number {
  const result = syscall(SYSCALL_NUMBERS.get(name) ?? -1, ...args);
  if (result < 0) throw new Error(`${name}: errno ${-result}`);
  return result;
}

const [rule = "", ...command] = process.argv.slice(2);
const [name = "", forbidden = ""] = rule.split("=");
const [access, flags] = ACCESSES[name] ?? [0n, 0];
const attributes = new BigUint64Array([access]); // struct landlock_ruleset_attr
const ruleset = call("landlock_create_ruleset", attributes, attributes.byteLength, 0);

/** Allows what is beside the folder, and beside each that it is in. */
for (let folder = forbidden; folder !== "/"; folder = dirname(folder))
  for (const name of readdirSync(dirname(folder))) {
    const path = join(dirname(folder), name);
    if (path === folder) continue;
    const fd = open(path, O_PATH | O_CLOEXEC | flags);
    const beneath = Buffer.alloc(12); // struct landlock_path_beneath_attr
    beneath.writeBigUInt64LE(access);
    beneath.writeInt32LE(fd, 8);
    if (fd >= 0) call("landlock_add_rule", ruleset, LANDLOCK_RULE_PATH_BENEATH, beneath, 0);
  }
call("landlock_restrict_self", ruleset, 0);

const child = Bun.spawn(command, { stdio: ["inherit", "inherit", "inherit"] });
process.exit(await child.exited);
