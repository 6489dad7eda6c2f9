// Objects into a real kernel: data sections, globals, calls, the verifier's words, and every class of error; what
// bpftool and libbpf make of the same objects is the oracle where they are installed.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BPF_F_MMAPABLE, BPF_MAP_TYPE_CGROUP_STORAGE, BPF_MAP_TYPE_HASH } from "elf-loader/uapi";
import {
  AttachError,
  BpfArray,
  type BpfError,
  BpfObject,
  BpfRuntimeError,
  createMap,
  type MapSpec,
  ObjectError,
  type ObjectSpec,
  ownTgid,
  parseObject,
  UnsupportedError,
  VerifierError,
} from "../../src/index.ts";
import {
  bpfDescriptors,
  fewerInGuests,
  fixture,
  GUEST,
  global,
  idsOf,
  KERNEL,
  kernelIds,
  load,
  objectBytes,
  objectPath,
  PACKET,
  ROOT,
  runScript,
  testHere,
  thrownBy,
  until,
} from "./lib-support.ts";

const advance = (object: BpfObject) => object.program("advance").testRun(PACKET).retval;

test("data sections have their content, and programs read and write it", () => {
  using object = load("lib_data");
  expect(global(object, "counter", ".data").value).toBe(40);
  // (counter + step) * factor + pair[1], and one more: a static and a global function are called.
  expect(advance(object)).toBe((40 + 3) * 2 + 6 + 1);
  expect(advance(object)).toBe((40 + 6) * 2 + 6 + 1);
  expect([global(object, "counter", ".data").value, global(object, "total").value]).toEqual([46, 2n]);
  object.program("advance_xdp").testRun(PACKET);
  expect(global(object, "counter", ".data").value).toBe(146);
  global(object, "counter", ".data").value = 1000;
  expect(advance(object)).toBe((1000 + 3) * 2 + 6 + 1);
});

testHere("a data section of a running object is its variables by name, one written is written whole", () => {
  using object = load("lib_data");
  const data = object.map(".data", BpfArray<{ counter: number }>);
  advance(object);
  expect(data.get(0)).toEqual({ counter: 43 });
  expect(object.map(".bss", BpfArray).get(0)).toEqual({ total: 1n });
  const settings = { factor: 2, pair: [5, 6], name: "lib" };
  expect(object.map(".rodata", BpfArray).get(0)).toEqual({ step: 3, settings });
  data.set(0, { counter: 1000 });
  expect(advance(object)).toBe((1000 + 3) * 2 + 6 + 1);
  expect(data.getBytes(0)).toEqual(new Uint8Array(new Uint32Array([1003]).buffer));
  expect([data.getBytes(1), thrownBy(() => data.set(0, {} as never))]).toEqual([undefined, expect.any(TypeError)]);
  using shared = BpfObject.load(fixture("lib_data"), { reuse: { ".data": data } });
  expect(shared.map(".data", BpfArray).get(0)).toEqual({ counter: 1003 });
});

test("globals set by name before load are what the program sees", () => {
  const spec = fixture("lib_data", "advance");
  spec.globals.set("step", 10);
  spec.globals.set("counter", 100);
  spec.globals.set("settings", { factor: 3 });
  spec.globals.set("settings.pair[1]", 9);
  spec.globals.set("total", 2n ** 40n);
  using object = BpfObject.load(spec);
  expect(advance(object)).toBe((100 + 10) * 3 + 9 + 1);
  expect(global(object, "total").value).toBe(2n ** 40n + 1n);
});

test("two loads of one spec share nothing", () => {
  const spec = fixture("lib_data", "advance");
  using first = BpfObject.load(spec);
  using second = BpfObject.load(spec);
  advance(first);
  expect(advance(second)).toBe((40 + 3) * 2 + 6 + 1);
  expect(spec.globals.get("counter")).toBe(40);
});

test("read-only data is frozen: user space cannot write it any more", () => {
  using object = load("lib_data");
  const rodata = object.map(".rodata") as BpfArray;
  const error = thrownBy(() => rodata.setBytes(0, rodata.getBytes(0) as Uint8Array));
  expect(error).toBeInstanceOf(BpfRuntimeError);
  expect(error).toMatchObject({ errno: "EPERM", likely: "it is frozen: user space may only read it" });
});

test("names and lines of source longer than any of the kernel's cost only the BTF", () => {
  using object = load("long_names");
  const [atPath, atCall] = object.programs.values();
  expect([atPath?.name, atCall?.name]).toEqual([
    "at_a_long_path",
    "a_name_that_is_as_long_as_those_of_generated_code_are_".repeat(128),
  ]);
  expect(atCall?.testRun().retval).toBe(3);
  expect(global(object, "in_a_section", `.rodata.${"seventy".repeat(1000)}`).value).toBe(7);
});

test("only programs that are to be loaded are", () => {
  using object = load("lib_data");
  expect([...object.programs.keys()]).toEqual(["advance", "advance_xdp"]);
  expect(idsOf(object).programs.every((id) => kernelIds("programs").has(id))).toBe(true);
});

test("the verifier's log of a refused program shows its source lines", () => {
  const error = thrownBy(() => load("lib_refused", "unchecked_pointer")) as BpfError;
  expect(error).toBeInstanceOf(VerifierError);
  expect(error.message).toMatch(
    /^Cannot load program unchecked_pointer: bpf\(BPF_PROG_LOAD\) gave EACCES: R\d invalid mem/,
  );
  expect(error.log).toContain("; return *value; /* the line that is refused */");
  expect([error.class, error.errno, error.subject]).toEqual(["verifier", "EACCES", "program unchecked_pointer"]);
  expect([error.call, typeof error.likely, typeof error.action]).toEqual(["bpf(BPF_PROG_LOAD)", "string", "string"]);
});

for (const [rounds, least] of [
  [10, 0],
  [3_000, 64 << 10],
  // Minutes of an emulated verifier.
  ...(GUEST ? [] : ([[24_000, 4 << 20]] as const)),
] as const) {
  test(`a log of more than ${least} bytes is fetched whole, from its first line to its last`, () => {
    const spec = fixture("lib_refused", "refused_late");
    spec.globals.set("rounds", rounds);
    const { log = "", message } = thrownBy(() => BpfObject.load(spec)) as BpfError;
    expect(log.length).toBeGreaterThan(least);
    expect(log.slice(0, 2000)).toContain("; __u32 key = skb->len;");
    expect(log).toMatch(/R\d invalid mem access[^\n]*\nprocessed \d+ insns[\s\S]*\n$/);
    expect(message).toContain("invalid mem access");
    // Each round is told of; none is missing in the middle.
    const stores = log.match(/^\d+: \(63\) \*\(u32 \*\)\(r10 -\d+\) = r/gm)?.length ?? 0;
    expect(stores).toBeGreaterThanOrEqual(rounds);
  }, 180_000);
}

/** The same object with its BTF under other section names, which mean nothing. */
function withoutBtf(name: string): ObjectSpec {
  const text = Buffer.from(objectBytes(name)).toString("latin1").replaceAll(".BTF", ".xTF");
  return parseObject(new Uint8Array(Buffer.from(text, "latin1")), name);
}

test("an object without BTF loads and runs", () => {
  const spec = withoutBtf("lib_plain");
  expect(spec.btf).toBeUndefined();
  using object = BpfObject.load(spec);
  const run = () => object.program("triple").testRun(PACKET).retval;
  expect([run(), run()]).toEqual([3, 6]);
  expect((object.map(".bss") as BpfArray).get(0)).toEqual(new Uint8Array([2, 0, 0, 0]));
});

/** A variable smaller than its type: well-formed, and refused by the kernel (btf_datasec_resolve). */
function withRefusedBtf(spec: ObjectSpec): ObjectSpec {
  const btf = spec.btf as NonNullable<ObjectSpec["btf"]>;
  const SIZE_OF_FIRST_VARIABLE = 5; // words: struct btf_type has 3, then type, offset and size
  btf.patch(btf.findByName(".rodata", "datasec"), SIZE_OF_FIRST_VARIABLE, 1);
  return spec;
}

test("BTF that the kernel refuses is not fatal: the programs load and run without it", () => {
  const before = kernelIds("btfs").size;
  using object = BpfObject.load(withRefusedBtf(fixture("lib_data", "advance")));
  expect(advance(object)).toBe((40 + 3) * 2 + 6 + 1);
  expect(kernelIds("btfs").size).toBe(before);
  const error = thrownBy(() => BpfObject.load(withRefusedBtf(fixture("lib_refused", "unchecked_pointer")))) as BpfError;
  expect(error).toBeInstanceOf(VerifierError);
  expect(error.log).toContain("invalid mem access");
  expect(error.log).not.toContain("; return *value;");
});

test("line numbers that the kernel refuses cost only the line numbers", () => {
  const spec = fixture("lib_data", "advance");
  const lines = spec.image.btfExt?.lineInfo.get("socket");
  if (!lines) throw new Error("The fixture has no line_info");
  const FILE_NAME = 1; // words: struct bpf_line_info
  for (let i = FILE_NAME; i < lines.words.length; i += lines.recordSize / 4) lines.words[i] = 0xffff_ffff;
  using object = BpfObject.load(spec);
  expect(advance(object)).toBe((40 + 3) * 2 + 6 + 1);
});

/** One line, a class, and what to do: what every error of the library has. */
function expectError(error: unknown, type: new (...args: never[]) => BpfError, pattern: RegExp): void {
  expect(error).toBeInstanceOf(type);
  expect((error as BpfError).message).toMatch(pattern);
  expect((error as BpfError).message).toMatch(/^[A-Z][^\n]*[^.\n]$/);
}

test("a big-endian object, and a program of no known section, are refused by class", () => {
  const big = objectBytes("lib_plain");
  big[5] = 2; // ELFDATA2MSB: every field now means something else
  expectError(
    thrownBy(() => BpfObject.load(parseObject(big, "big"))),
    ObjectError,
    /^Cannot /,
  );
  const spec = fixture("lib_plain");
  (spec.programs.get("triple") as { type: number }).type = 0;
  expectError(
    thrownBy(() => BpfObject.load(spec)),
    UnsupportedError,
    /of no known type/,
  );
});

test("each way not to attach is an AttachError, or Unsupported where the kernel has no such hook", () => {
  using object = load("lib_maps");
  const program = object.program("count_cpu");
  const error = thrownBy(() => program.attach("no_such_tracepoint")) as BpfError;
  expectError(
    error,
    AttachError,
    /^Cannot attach program count_cpu to raw_tracepoint no_such_tracepoint: .* gave ENOENT/,
  );
  expect([error.errno, error.likely]).toEqual(["ENOENT", "the kernel has no tracepoint no_such_tracepoint"]);
  using data = load("lib_data");
  expectError(
    thrownBy(() => data.program("advance").attach()),
    AttachError,
    /section socket names no target, a socket.s descriptor/,
  );
});

test("a program that cannot be run is a runtime error with the errno", () => {
  using object = load("lib_data");
  const error = thrownBy(() => object.program("advance").testRun(new Uint8Array(1))) as BpfError;
  expectError(error, BpfRuntimeError, /^Cannot run program advance: bpf\(BPF_PROG_TEST_RUN\) gave EINVAL/);
});

test("without capabilities it is a PermissionError that names them", async () => {
  const { status, out, err } = await runScript("without-capabilities.ts");
  expect({ status, err }).toEqual({ status: 0, err: "" });
  const error = JSON.parse(out);
  expect([error.name, error.class, error.errno]).toEqual(["PermissionError", "permission", "EPERM"]);
  expect(error.likely).toMatch(/lacks CAP_BPF|confidentiality/);
}, 120_000);

test("a load that fails leaves nothing behind, here or in the kernel", async () => {
  const before = bpfDescriptors().length;
  const spec = fixture("lib_refused", "accepted", "unchecked_pointer");
  spec.name = "leftover";
  for (let i = 0; i < 5; i++) thrownBy(() => BpfObject.load(spec));
  expect(bpfDescriptors().length).toBe(before);
});

test("closing gives back every descriptor, map and program", async () => {
  const before = bpfDescriptors().length;
  const object = load("lib_data");
  const ids = idsOf(object);
  expect([ids.maps.length, ids.programs.length]).toEqual([4, 2]);
  expect(bpfDescriptors().length).toBe(before + 6);
  object.close();
  expect(bpfDescriptors().length).toBe(before);
  await until("maps gone", () => !ids.maps.some((id) => kernelIds("maps").has(id)));
  await until("programs gone", () => !ids.programs.some((id) => kernelIds("programs").has(id)));
});

test("what is attached lives on without its object, until the link is closed; then nothing is left", async () => {
  const object = load("lib_maps");
  const [id = 0] = idsOf(object).programs;
  const before = kernelIds("links");
  const link = object.program("count_cpu").attach();
  const [linkId = 0] = [...kernelIds("links")].filter((one) => !before.has(one));
  expect(linkId).toBeGreaterThan(0);
  object.close();
  expect([kernelIds("programs").has(id), link.hook, link.target]).toEqual([true, "raw_tracepoint", "sys_enter"]);
  link.close();
  link.close();
  await until("link gone", () => !kernelIds("links").has(linkId));
  await until("program gone", () => !kernelIds("programs").has(id));
});

test("a kprobe on a function that there is not is refused, with what to do", () => {
  const path = join(ROOT, "build/bpf/hello_ring.bpf.o");
  const spec = parseObject(new Uint8Array(readFileSync(path)), "hello_ring");
  for (const program of spec.programs.values()) program.autoload = program.name === "on_kprobe";
  using object = BpfObject.load(spec);
  const error = thrownBy(() => object.program("on_kprobe").attach("no_such_function")) as BpfError;
  const hasKprobes = existsSync("/sys/bus/event_source/devices/kprobe");
  expectError(
    error,
    hasKprobes ? AttachError : UnsupportedError,
    /^Cannot attach program on_kprobe to kprobe no_such_function: /,
  );
  expect([error.errno, typeof error.likely, typeof error.action]).toEqual(["ENOENT", "string", "string"]);
});

test("a map that is not to be made is named where a program gets to it", () => {
  const spec = fixture("lib_data", "advance");
  for (const name of ["table", ".bss"]) (spec.maps.get(name) as MapSpec).autocreate = false;
  const error = thrownBy(() => BpfObject.load(spec)) as BpfError;
  expect(error).toBeInstanceOf(VerifierError);
  expect(error.message).toMatch(
    /^Cannot load program advance: it needs the map \.bss \(lib_data\.bpf\.c:\d+\): it is not made/,
  );
  const other = fixture("lib_data", "advance");
  (other.maps.get("table") as MapSpec).autocreate = false; // which no program uses
  using object = BpfObject.load(other);
  expect([...object.maps.keys()].sort()).toEqual([".bss", ".data", ".rodata"]);
  expect(advance(object)).toBe(93);
});

test("a map is refused for what its definition leaves open, or says wrong", () => {
  const likely = (map: Parameters<typeof createMap>[0]) =>
    (thrownBy(() => createMap({ name: "m", ...map })) as BpfError).likely;
  const sizes = { keySize: 4, valueSize: 4 };
  expect(likely({ type: BPF_MAP_TYPE_HASH, ...sizes })).toContain("leaves the number of entries");
  expect(likely({ type: BPF_MAP_TYPE_HASH, ...sizes, keySize: 0, maxEntries: 1 })).toContain("no such sizes");
  expect(likely({ type: BPF_MAP_TYPE_CGROUP_STORAGE, keySize: 2, valueSize: 8 })).toContain("no such sizes");
});

/** Security modules' programs take trampolines: not here. Debian's 5.10 does not list bpf as one. */
test.skipIf(!GUEST || KERNEL === "5.10")("a kernel without names and mappable data sections gets neither", () => {
  const module = fixture("old_kernel", "refuse");
  module.globals.set("tgid", ownTgid());
  using refusing = BpfObject.load(module);
  using _link = refusing.program("refuse").attach();
  using object = load("lib_data");
  expect([advance(object), advance(object)]).toEqual([93, 99]);
  for (const map of object.maps.values()) {
    const { name, flags } = map.info();
    expect([map.name, name, flags & BPF_F_MMAPABLE]).toEqual([map.name, "", 0]);
  }
  const error = thrownBy(() => load("lib_refused", "unchecked_pointer")) as BpfError;
  expect(error).toBeInstanceOf(VerifierError);
});

// libbpf, through bpftool, loads the same objects into a private bpffs.

const bpftool = (...args: string[]) => {
  const { stdout, stderr, exitCode } = Bun.spawnSync(["bpftool", "-j", ...args]);
  if (exitCode !== 0) throw new Error(`bpftool ${args.join(" ")}: ${stderr}${stdout}`);
  const text = stdout.toString();
  return text === "" ? {} : JSON.parse(text);
};

const bpffs = join(tmpdir(), `hello-ebpf-bpffs-${process.pid}`);
const hasBpftool = Bun.which("bpftool") !== null;

beforeAll(() => {
  mkdirSync(bpffs, { recursive: true });
  Bun.spawnSync(["mount", "-t", "bpf", "bpf", bpffs]);
});

afterAll(() => {
  Bun.spawnSync(["umount", bpffs]);
  rmdirSync(bpffs);
});

interface ProgramInfo {
  name: string;
  type: string;
  tag: string;
  gpl_compatible: boolean;
  bytes_xlated: number;
  map_ids?: number[];
  btf_id: number;
}

interface MapInfo {
  name: string;
  type: string;
  flags: number;
  bytes_key: number;
  bytes_value: number;
  max_entries: number;
  frozen: number;
}

/** What is comparable between two loads of one program: its maps by name, its types as text. */
function describeProgram(info: ProgramInfo) {
  const { name, type, tag, gpl_compatible, bytes_xlated } = info;
  const maps = (info.map_ids ?? []).map((id) => {
    const map: MapInfo = bpftool("map", "show", "id", `${id}`);
    const { type, flags, bytes_key, bytes_value, max_entries, frozen } = map;
    return [map.name, { type, flags, bytes_key, bytes_value, max_entries, frozen }];
  });
  const btf = Bun.spawnSync(["bpftool", "btf", "dump", "id", `${info.btf_id}`]).stdout.toString();
  return { name, type, tag, gpl_compatible, bytes_xlated, maps: Object.fromEntries(maps), btf };
}

const COMPARED = ["lib_data", "lib_maps", "lib_ring", "lib_perf", "lib_plain"];
for (const name of fewerInGuests(COMPARED, COMPARED.slice(0, 2))) {
  test.if(hasBpftool)(`libbpf makes the same of ${name}: instructions, maps, types`, () => {
    const folder = join(bpffs, name);
    bpftool("prog", "loadall", objectPath(name), folder);
    using object = load(name);
    try {
      const programs = [...object.programs.keys()];
      expect(readdirSync(folder).sort()).toEqual([...programs].sort());
      for (const [index, program] of programs.entries()) {
        const theirs = bpftool("prog", "show", "pinned", join(folder, program));
        const ours = bpftool("prog", "show", "id", `${idsOf(object).programs[index]}`);
        expect(describeProgram(ours)).toEqual(describeProgram(theirs));
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
}
