// System calls by name: numbers and the kernel's names of their entries.

import { expect, test } from "bun:test";
import { syscallEntryName, syscallFunctions, syscallNames, syscallNumber } from "../../src/host/syscalls.ts";

test("numbers are this architecture's", () => {
  const known =
    process.arch === "arm64" ? { execve: 221, bpf: 280, getpid: 172 } : { execve: 59, bpf: 321, getpid: 39 };
  for (const [name, number] of Object.entries(known)) expect([name, syscallNumber(name)]).toEqual([name, number]);
  expect(syscallNumber("no_such_call")).toBeUndefined();
  expect([...syscallNames()]).toContain("execve");
});

test("an entry whose function is not called after the call, and the wrapper before the plain name", () => {
  expect([syscallEntryName("uname"), syscallEntryName("execve")]).toEqual(["newuname", "execve"]);
  const wrapper = process.arch === "arm64" ? "__arm64_sys_newuname" : "__x64_sys_newuname";
  expect(syscallFunctions("uname")).toEqual([wrapper, "sys_newuname"]);
});
