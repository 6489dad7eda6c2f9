// Hooks that are other programs or structs of them: a function replaced, operations that the kernel calls.

import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { SECTION_ROWS } from "elf-loader";
import { type BpfError, BpfObject, type MapSpec } from "../../src/index.ts";
import { hookOf } from "../../src/link/index.ts";
import { fixture, global, KERNEL, kernelIds, load, ROOT, testHere, thrownBy, until } from "./lib-support.ts";
import { AF_INET, call, SOCK_STREAM, Socket } from "./sockets.ts";

const IPPROTO_TCP = 6;
const TCP_CONGESTION = 13;

/** A connection that the algorithm of this name controls on one side; throws where there is none. */
function controlledBy(name: string): void {
  using listener = new Socket(AF_INET, SOCK_STREAM).bind().listen();
  using socket = new Socket(AF_INET, SOCK_STREAM);
  const text = new TextEncoder().encode(name);
  call("setsockopt", socket.fd, IPPROTO_TCP, TCP_CONGESTION, text, text.byteLength);
  socket.connect(listener.port);
}
const algorithms = () => readFileSync("/proc/sys/net/ipv4/tcp_available_congestion_control", "utf8").split(/\s+/);

for (const [name, map, on] of [
  ["hooks_struct_ops", "plain", ["5.10", "6.1", "6.12", "7"]],
  ["hooks_struct_ops_link", "linked", ["6.12", "7"]],
] as const) {
  const why = (() => {
    try {
      load(name).attachMap(map).close();
      return undefined;
    } catch (error) {
      return (error as BpfError).message.replace(/^.*?: /, "");
    }
  })();
  const skip = why !== undefined && !(on as readonly string[]).includes(KERNEL);
  test.skipIf(skip)(`${map}: a congestion control in eBPF${skip ? ` (${why})` : ""}`, async () => {
    using object = load(name);
    const title = `hello_${map}`;
    expect(() => controlledBy(title)).toThrow();
    using link = object.attachMap(map);
    expect(algorithms()).toContain(title);
    for (let i = 0; i < 3; i++) controlledBy(title);
    expect(Number(global(object, "seen").value)).toBe(3);
    if (map === "linked") expect(link.info().type).toBe("struct_ops");
    link.close();
    await until("the algorithm is left behind", () => !algorithms().includes(title));
  });

  test.skipIf(skip)(`${map}: attached by its programs, until the last of them lets go`, async () => {
    using object = load(name);
    const links = ["on_init", "least", "nothing"].map((program) => object.program(program).attach());
    for (const link of links.slice(1)) link.close();
    expect(algorithms()).toContain(`hello_${map}`);
    links[0]?.close();
    await until("the algorithm is left behind", () => !algorithms().includes(`hello_${map}`));
  });
}

test.skipIf(!["5.10", "6.1"].includes(KERNEL))("before 6.4 a struct with a link is refused for that", () => {
  const { message, likely, action } = thrownBy(() => load("hooks_struct_ops_link")) as BpfError;
  expect(message).toMatch(/ map linked \(STRUCT_OPS, .*: bpf\(BPF_MAP_CREATE\) gave EINVAL$/);
  expect(likely).toMatch(/^a struct of functions with a link \(\.struct_ops\.link\) came with kernel 6\.4, this is /);
  expect(action).toContain("section .struct_ops,");
});

testHere("two structs of the same programs are both attached, each until the last of them lets go", async () => {
  using object = load("hooks_struct_ops_two");
  const titles = ["hello_first", "hello_second"];
  const there = () => titles.filter((title) => algorithms().includes(title));
  using one = object.program("on_init").attach();
  using other = object.program("least").attach();
  expect(one.target).toBe("first,second");
  one.close();
  expect(there()).toEqual(titles);
  for (const title of titles) controlledBy(title);
  expect(Number(global(object, "seen").value)).toBe(2);
  other.close();
  await until("an algorithm is left behind", () => there().length === 0);
});

testHere("an object's structs are attached each by itself: one that cannot be takes no other along", async () => {
  const spec = fixture("hooks_struct_ops_two");
  (spec.maps.get("second") as MapSpec).slots = []; // without a function that the kernel needs
  using object = BpfObject.load(spec);
  const [first, second] = object.attachables();
  expect([first?.kind, first?.name, second?.name]).toEqual(["map", "first", "second"]);
  using _link = first?.attach();
  const error = thrownBy(() => second?.attach()) as BpfError;
  expect([error.errno, error.message]).toEqual(["EINVAL", expect.stringContaining("attach map second")]);
  expect(algorithms()).toContain("hello_first");
});

testHere("a struct with a link is attached again, one without is not, which is said", async () => {
  using object = load("hooks_struct_ops_two");
  for (let i = 0; i < 2; i++) {
    const link = object.attachMap("first");
    expect(algorithms()).toContain("hello_first");
    link.close();
    await until("the algorithm is left behind", () => !algorithms().includes("hello_first"));
  }
  using plain = load("hooks_struct_ops");
  plain.attachMap("plain").close();
  await until("the algorithm is left behind", () => !algorithms().includes("hello_plain"));
  expect((thrownBy(() => plain.attachMap("plain")) as BpfError).action).toContain("load the object again");
});

test("?.struct_ops: a struct that is left out, with the programs of no other, unless it is wanted", async () => {
  const loaded = (object: BpfObject) => [[...object.maps.keys()].includes("spare"), [...object.programs.keys()].sort()];
  const shared = ["as_before", "nothing", "on_init"];
  using without = load("hooks_struct_ops");
  expect(loaded(without)).toEqual([false, [...shared, "least"].sort()]);
  const spec = fixture("hooks_struct_ops");
  (spec.maps.get("spare") as MapSpec).autocreate = true;
  (spec.maps.get("plain") as MapSpec).autocreate = false;
  using object = BpfObject.load(spec);
  expect(loaded(object)).toEqual([true, [...shared, "spare_least"].sort()]);
  using link = object.attachMap("spare");
  expect(algorithms()).toContain("hello_spare");
  controlledBy("hello_spare");
  expect(Number(global(object, "seen").value)).toBe(1);
  link.close();
  await until("the algorithm is left behind", () => !algorithms().includes("hello_spare"));
});

/** Why this kernel's programs have no function replaced. */
const noReplacing = (() => {
  try {
    replaced().close();
    return undefined;
  } catch (error) {
    if (["5.10", "6.1", "6.12", "7"].includes(KERNEL)) throw error;
    return (error as BpfError).message.replace(/^.*?: /, "");
  }
})();

/** Two objects: a program, and one that replaces a function of it. */
function replaced() {
  const target = load("hooks_replaced", "on_packet");
  const spec = fixture("hooks_replaced", "other_answer");
  const replacement = spec.programs.get("other_answer");
  if (replacement) replacement.targetProgram = target.program("on_packet").fd.number;
  const object = BpfObject.load(spec);
  const run = () => target.program("on_packet").testRun(new Uint8Array(64)).retval;
  const close = () => {
    object.close();
    target.close();
  };
  return { target, object, run, close };
}

test.skipIf(noReplacing !== undefined)(`freplace: a function of another program ${noReplacing ?? ""}`, async () => {
  const { object, run, close } = replaced();
  expect(run()).toBe(1);
  const link = object.program("other_answer").attach();
  expect([run(), link.info().type]).toEqual([2, "tracing"]);
  link.close();
  await until("the function stays replaced", () => run() === 1);
  close();
});

test("a function to be replaced that is not there is told from those that are", () => {
  using target = load("hooks_replaced", "on_packet");
  const spec = fixture("hooks_replaced", "other_answer");
  const replacement = spec.programs.get("other_answer") as NonNullable<ReturnType<typeof spec.programs.get>>;
  replacement.targetProgram = target.program("on_packet").fd.number;
  replacement.targetProgram = undefined;
  expect((thrownBy(() => BpfObject.load(spec)) as BpfError).message).toContain(
    "of which program it replaces a function",
  );
  replacement.targetProgram = target.program("on_packet").fd.number;
  replacement.target = "answr";
  const error = thrownBy(() => BpfObject.load(spec)) as BpfError;
  expect(error.message).toBe(
    "Cannot load program other_answer: looking up answr in the BTF of the program it is for gave ENOENT",
  );
  expect(error.likely).toContain("close: answer");
});

test("every section whose row names a hook has it", () => {
  const missing = SECTION_ROWS.filter(({ hook }) => hook !== "" && hookOf(hook)?.name !== hook);
  expect(missing.map(({ name }) => name)).toEqual([]);
  // Those of maps, routes and devices, which are attached by other means than a hook of ours, and what is run by hand.
  const without = SECTION_ROWS.filter(({ hook }) => hook === "").map(({ name }) => name.split("/")[0] ?? "");
  expect(new Set(without)).toEqual(
    new Set(["action", "xdp.frags", "xdp", "lwt_in", "lwt_out", "lwt_xmit", "lwt_seg6local", "lirc_mode2", "syscall"]),
  );
});

test("a section that means nothing gives those it could have meant", () => {
  const spec = fixture("sections", "unknown", "not_xdp");
  expect((thrownBy(() => BpfObject.load(spec)) as BpfError).message).toMatch(
    /^Cannot load program not_xdp: section "xdp_foo" is of no known type \(close: xdp/,
  );
});

test("a killed process leaves nothing attached", async () => {
  const script = join(ROOT, "test/kernel/scripts/attach-and-wait.ts");
  const child = Bun.spawn([process.execPath, script], { cwd: ROOT, stdout: "pipe", stderr: "inherit" });
  const { value = new Uint8Array() } = await child.stdout.getReader().read();
  const ids = new TextDecoder().decode(value).trim().split(" ").map(Number);
  expect(ids.length).toBeGreaterThanOrEqual(3);
  expect(ids.every((id) => kernelIds("links").has(id))).toBe(true);
  child.kill("SIGKILL");
  await child.exited;
  await until("a link is left behind", () => !ids.some((id) => kernelIds("links").has(id)));
});
