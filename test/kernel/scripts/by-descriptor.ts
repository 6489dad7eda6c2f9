// Becomes NAME, then executes FILE by its descriptor: execveat(2) with AT_EMPTY_PATH.

import { openSync } from "node:fs";
import { addressOf, cString, syscall } from "../../../src/sys/libc.ts";
import { SYSCALL_NUMBERS } from "../../../src/sys/syscall-numbers.ts";

const number = (name: string) => SYSCALL_NUMBERS.get(name) ?? -1;
const [PR_SET_NAME, AT_EMPTY_PATH] = [15, 0x1000]; // include/uapi/linux/prctl.h, fcntl.h
const [file = "", name = ""] = process.argv.slice(2);

syscall(number("prctl"), PR_SET_NAME, cString(name));
const empty = cString("");
const list = new BigUint64Array([BigInt(addressOf(empty)), 0n]);
const result = syscall(number("execveat"), openSync(file, "r"), empty, list, list, AT_EMPTY_PATH);
throw new Error(`Cannot execute ${file}: ${result}`);
