// Runs a command with no other capabilities than those numbered: `bun with-capabilities.ts 38,39 COMMAND ARGS`.
//
// What is taken out of the bounding set, root does not get back at execve (capabilities(7)). busybox has no tool for it.

import { dlopen } from "bun:ffi";

const PR_CAPBSET_DROP = 24; // include/uapi/linux/prctl.h
const LAST = 63;

const [kept = "", ...command] = process.argv.slice(2);
const keep = new Set(kept.split(",").filter(Boolean).map(Number));
const { symbols } = dlopen("libc.so.6", { prctl: { args: ["i32", "u64", "u64", "u64", "u64"], returns: "i32" } });
for (let capability = 0; capability <= LAST; capability++)
  if (!keep.has(capability)) symbols.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);

const child = Bun.spawn(command, { stdio: ["inherit", "inherit", "inherit"] });
for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => child.kill(signal));
process.exit(await child.exited);
