// Where tracefs is mounted, by lines of /proc/self/mountinfo (proc_pid_mountinfo(5)).

import { expect, test } from "bun:test";
import { tracefsMountPoints } from "../../src/host/tracefs.ts";

const line = (root: string, point: string, type: string, optional = "shared:7") =>
  `29 25 0:12 ${root} ${point} rw,nosuid,nodev,noexec,relatime ${optional}${optional && " "}- ${type} ${type} rw`;

test("every mount of a whole tracefs, in order, with or without optional fields", () => {
  const text = [
    line("/", "/sys/kernel/tracing", "tracefs"),
    line("/", "/sys/kernel/debug", "debugfs"),
    line("/", "/mnt/trace", "tracefs", ""),
    line("/", "/other", "tracefs", "shared:1 master:2"),
    "",
  ].join("\n");
  expect(tracefsMountPoints(text)).toEqual(["/sys/kernel/tracing", "/mnt/trace", "/other"]);
});

test("a bind mount of a part of it has no events folder and is passed over", () => {
  expect(tracefsMountPoints(line("/events", "/mnt/events", "tracefs"))).toEqual([]);
});

test("space, tab, newline and backslash in a mount point are octal", () => {
  expect(tracefsMountPoints(line("/", "/a\\040b\\011c\\012d\\134e", "tracefs"))).toEqual(["/a b\tc\nd\\e"]);
  // A backslash of the name itself comes as \134: what follows it is no escape.
  expect(tracefsMountPoints(line("/", "/a\\134040", "tracefs"))).toEqual(["/a\\040"]);
});

test("a type or path that only looks like it, an empty file and half a line give nothing", () => {
  for (const text of [
    line("/", "/tracefs", "tmpfs"),
    line("/", "/x", "tracefs2"),
    "",
    "29 25 0:12 / /sys/kernel/tracing",
    " - tracefs tracefs rw",
  ]) {
    expect(tracefsMountPoints(text)).toEqual([]);
  }
});
