// Gives up every capability, then loads: prints the error as JSON.

import { BpfError } from "../../../src/index.ts";
import { syscall } from "../../../src/sys/libc.ts";
import { SYSCALL_NUMBERS } from "../../../src/sys/syscall-numbers.ts";
import { load } from "../lib-support.ts";

const VERSION_3 = 0x20080522; // _LINUX_CAPABILITY_VERSION_3 of linux/capability.h
const header = new Uint32Array([VERSION_3, 0]);
const none = new Uint32Array(6);
if (syscall(SYSCALL_NUMBERS.get("capset") ?? -1, header, none) !== 0) throw new Error("capset failed");
try {
  load("lib_maps");
} catch (error) {
  if (!(error instanceof BpfError)) throw error;
  console.log(JSON.stringify({ ...error, name: error.name, class: error.class, message: error.message }));
}
