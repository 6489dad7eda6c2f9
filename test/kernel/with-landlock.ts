// Runs a command that may read files everywhere but below one folder (landlock(7)): `bun with-landlock.ts FOLDER COMMAND ARGS`.

import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { O_CLOEXEC, O_PATH } from "elf-loader/uapi";
import { open, syscall } from "../../src/sys/libc.ts";
import { SYSCALL_NUMBERS } from "../../src/sys/syscall-numbers.ts";

// linux/landlock.h
const LANDLOCK_RULE_PATH_BENEATH = 1;
const LANDLOCK_ACCESS_FS_READ_FILE = 4n;

function call(
  name: string,
  ...args: Parameters<typeof syscall> extends [number, ...infer Rest] ? Rest : never
): number {
  const result = syscall(SYSCALL_NUMBERS.get(name) ?? -1, ...args);
  if (result < 0) throw new Error(`${name}: errno ${-result}`);
  return result;
}

const [forbidden = "/", ...command] = process.argv.slice(2);
const attributes = new BigUint64Array([LANDLOCK_ACCESS_FS_READ_FILE]); // struct landlock_ruleset_attr
const ruleset = call("landlock_create_ruleset", attributes, attributes.byteLength, 0);

/** Allows what is beside the folder, and beside each that it is in. */
for (let folder = forbidden; folder !== "/"; folder = dirname(folder))
  for (const name of readdirSync(dirname(folder))) {
    const path = join(dirname(folder), name);
    if (path === folder) continue;
    const fd = open(path, O_PATH | O_CLOEXEC);
    const rule = Buffer.alloc(12); // struct landlock_path_beneath_attr
    rule.writeBigUInt64LE(LANDLOCK_ACCESS_FS_READ_FILE);
    rule.writeInt32LE(fd, 8);
    if (fd >= 0) call("landlock_add_rule", ruleset, LANDLOCK_RULE_PATH_BENEATH, rule, 0);
  }
call("landlock_restrict_self", ruleset, 0);

const child = Bun.spawn(command, { stdio: ["inherit", "inherit", "inherit"] });
process.exit(await child.exited);
