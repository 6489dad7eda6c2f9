// Compiles eBPF C with clang 19: bpf/*.bpf.c to build/bpf, which the executable embeds, and
// test/fixtures/*.bpf.c to build/fixtures, which only tests read.
//
// test/fixtures/*.so.c become libraries of this machine, which tests of probes of user space call.
//
// An object is compiled again only when what it is made from has changed: its source, any of our headers, the
// flags, the compiler or libbpf's headers. The key of all that lies beside the object and is written after it,
// so that an interrupted run is found out. Run with "fixtures" to compile the test fixtures too.

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { basename, join, resolve } from "node:path";

const ROOT = resolve(import.meta.dir, "..");
const COMPILER = "clang-19";

/** What __TARGET_ARCH_ bpf_tracing.h wants, and where Debian keeps asm/types.h, by process.arch. */
const ARCHITECTURES: Record<string, { target: string; triplet: string }> = {
  x64: { target: "x86", triplet: "x86_64-linux-gnu" },
  arm64: { target: "arm64", triplet: "aarch64-linux-gnu" },
};

/** What is compiled, by how the source's name ends: eBPF objects, and libraries of this machine that tests trace. */
const KINDS: readonly { source: RegExp; ending: string; flags: () => readonly string[] }[] = [
  { source: /^[^/]*\.bpf\.c$/, ending: ".o", flags },
  { source: /^[^/]*\.so\.c$/, ending: "", flags: () => ["-shared", "-fPIC", "-nostdlib", "-O1", "-Wall", "-Werror"] },
];

interface Job {
  readonly source: string;
  readonly object: string;
  readonly flags: readonly string[];
  readonly key: string;
}

/** clang's arguments, without input and output. The checkout's own path must not get into the debug information. */
function flags(): string[] {
  const arch = ARCHITECTURES[process.arch];
  if (!arch) throw new Error(`Cannot compile eBPF for ${process.arch}: known are ${Object.keys(ARCHITECTURES)}`);
  return [
    ...["-c", "-target", "bpf", "-mcpu=v3", "-O2", "-g", "-Wall", "-Werror"],
    ...["-I", "bpf/include", `-D__TARGET_ARCH_${arch.target}`],
    ...["-idirafter", `/usr/include/${arch.triplet}`, `-ffile-prefix-map=${ROOT}=.`],
  ];
}

/** Files of a folder (relative to the checkout) whose name matches, in order; a folder that is not there has none. */
function list(folder: string, pattern: RegExp): string[] {
  if (!existsSync(join(ROOT, folder))) return [];
  const names = readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" });
  return names
    .filter((name) => pattern.test(name))
    .sort()
    .map((name) => join(folder, name));
}

/** Size and time stand for the content of what Debian installs: hashing the compiler would take longer than compiling. */
function installed(): string {
  const paths = [Bun.which(COMPILER), "/usr/include/bpf/bpf_helpers.h", "/usr/include/linux/bpf.h"];
  return paths
    .map((path) => (path && existsSync(path) ? `${statSync(path).size}:${statSync(path).mtimeMs}` : "-"))
    .join();
}

function jobs(sources: string, objects: string): Job[] {
  const common = createHash("sha256").update(flags().join("\0").replaceAll(ROOT, ".")).update(installed());
  for (const header of [...list("bpf", /\.h$/), ...list(sources, /\.h$/)])
    common.update(header).update(readFileSync(join(ROOT, header)));
  return KINDS.flatMap((kind) =>
    list(sources, kind.source).map((source) => ({
      source,
      object: join(objects, basename(source).replace(/\.c$/, kind.ending)),
      flags: kind.flags(),
      key: common
        .copy()
        .update(readFileSync(join(ROOT, source)))
        .digest("hex"),
    })),
  );
}

function upToDate(job: Job): boolean {
  const key = join(ROOT, `${job.object}.key`);
  return existsSync(join(ROOT, job.object)) && existsSync(key) && readFileSync(key, "utf8") === job.key;
}

/** Compiles to a name of its own, then renames: a reader sees a whole object or the one before. Throws clang's words. */
async function compile(job: Job): Promise<void> {
  const [object, key] = [join(ROOT, job.object), join(ROOT, `${job.object}.key`)];
  const temporary = `${object}.${process.pid}`;
  rmSync(key, { force: true });
  const clang = Bun.spawn([COMPILER, ...job.flags, job.source, "-o", temporary], { cwd: ROOT, stderr: "pipe" });
  const said = await new Response(clang.stderr).text();
  if ((await clang.exited) !== 0) {
    rmSync(temporary, { force: true });
    throw new Error(`Cannot compile ${job.source}:\n${said.trim()}`);
  }
  renameSync(temporary, object);
  writeFileSync(`${key}.${process.pid}`, job.key);
  renameSync(`${key}.${process.pid}`, key);
}

/** An object whose source is gone would go on being found by tests that walk the folder. */
function removeOrphans(objects: string, wanted: Job[]): void {
  const keep = new Set(wanted.map((job) => job.object));
  for (const object of list(objects, /\.(bpf\.o|so)$/)) {
    if (keep.has(object)) continue;
    rmSync(join(ROOT, object));
    rmSync(join(ROOT, `${object}.key`), { force: true });
  }
}

/** Brings build/bpf (and build/fixtures) up to date. Answers how many objects were compiled; throws when clang refuses. */
export async function buildBpf(withFixtures: boolean): Promise<number> {
  const folders = [
    ["bpf", "build/bpf"] as const,
    ...(withFixtures ? [["test/fixtures", "build/fixtures"] as const] : []),
  ];
  const queue: Job[] = [];
  for (const [sources, objects] of folders) {
    mkdirSync(join(ROOT, objects), { recursive: true });
    const wanted = jobs(sources, objects);
    removeOrphans(objects, wanted);
    queue.push(...wanted.filter((job) => !upToDate(job)));
  }
  const count = queue.length;
  const worker = async () => {
    for (let job = queue.shift(); job; job = queue.shift()) await compile(job);
  };
  const ends = await Promise.allSettled(Array.from({ length: availableParallelism() }, worker));
  for (const end of ends) if (end.status === "rejected") throw end.reason;
  return count;
}

if (import.meta.main) {
  try {
    const count = await buildBpf(process.argv.includes("fixtures"));
    if (count > 0) console.error(`hello-ebpf: compiled ${count} eBPF objects`);
  } catch (error) {
    console.error(String(error instanceof Error ? error.message : error));
    process.exit(1);
  }
}
