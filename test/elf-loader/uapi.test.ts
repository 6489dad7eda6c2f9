// The generated constants are what the generator gives: nothing in uapi/ is edited by hand, and headers of another
// kernel, newer than those it was last run on, may add names but say nothing else of any that is there.
import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as uapi from "elf-loader/uapi";
import { generate, headersVersion, UAPI_DIRECTORY } from "../../scripts/generate-uapi.ts";

const recorded = new Map(
  readdirSync(UAPI_DIRECTORY).map((file) => [file, readFileSync(join(UAPI_DIRECTORY, file), "utf8")]),
);
const version = /linux-libc-dev (\S+);/.exec(recorded.get("index.ts") ?? "")?.[1];

/** Counts and masks that grow with each kernel, and space that becomes fields. */
const GROWS = /(_MAX(_\w+)?|_LAST_CAP|_NR_\w+|_SIZE_VER\d+|__MASK|__reserved_\d+)$/;

/** The version of the headers to be had here, or why there are none: they are downloaded once. */
function headersHere(): { readonly version?: string; readonly why?: string } {
  try {
    return { version: headersVersion() };
  } catch (error) {
    if (process.env.CI) throw error;
    return { why: String(error) };
  }
}
const here = headersHere();

/** Names and values, those of fields by the layout they belong to. */
function values(files: ReadonlyMap<string, string>): Map<string, string> {
  const all = new Map<string, string>();
  for (const [file, text] of files) {
    let scope = "";
    for (const line of text.split("\n")) {
      scope = /^export const (\w+):/.exec(line)?.[1] ?? scope;
      const [, constant, value] = /^export const (\w+) = (\S+);$/.exec(line) ?? [];
      const [, field, place] = /^ +("?[\w.]+"?): (\[.*\]|"\w+"|\d+),$/.exec(line) ?? [];
      if (constant && value) all.set(`${file} ${constant}`, value);
      else if (field && place && field !== "size") all.set(`${file} ${scope} ${field}`, place);
    }
  }
  return all;
}

test.skipIf(!here.version)(
  `generated from linux-libc-dev ${version}, here: ${here.version ?? here.why}`,
  () => {
    const fresh = generate();
    if (here.version === version) {
      expect(fresh).toEqual(recorded);
      return;
    }
    const now = values(fresh);
    const changed = [...values(recorded)].filter(([name, value]) => !GROWS.test(name) && now.get(name) !== value);
    expect(changed).toEqual([]);
  },
  60_000,
);

test("the comparison sees constants, fields and tables", () => {
  const all = values(recorded);
  expect(all.get("bpf.ts BPF_MAP_TYPE_RINGBUF")).toBe("27");
  expect(all.get('bpf-layouts.ts bpf_attr_link_create "perf_event.bpf_cookie"')).toBe("[16, 8]");
  expect(all.get("syscalls.ts SYSCALLS_ARM64 execve")).toBe("221");
  expect(all.get("errno.ts ERRNO ENOTSUPP")).toBe("524");
  expect(all.size).toBeGreaterThan(2500);
});

test("values that other sources give too", () => {
  // man 2 perf_event_open, man 2 epoll_ctl, facts seen on running kernels of both machines.
  expect([uapi.SYSCALLS_X86_64.bpf, uapi.SYSCALLS_ARM64.bpf]).toEqual([321, 280]);
  expect([uapi.SYSCALLS_X86_64.perf_event_open, uapi.SYSCALLS_ARM64.perf_event_open]).toEqual([298, 241]);
  expect([uapi.epoll_event_x86_64.size, uapi.epoll_event_arm64.size]).toEqual([12, 16]);
  expect(uapi.ERRNO_NAMES[uapi.EPERM]).toBe("EPERM");
  expect(uapi.ERRNO_NAMES[11]).toBe("EAGAIN");
  expect(uapi.perf_event_attr.bits?.watermark).toEqual([40 * 8 + 14, 1]);
  expect(uapi.bpf_insn.bits?.src_reg).toEqual([12, 4]);
});
