/**
 * Loads what real projects ship by libbpf and by us, here or on guest kernels, and says where the two differ.
 *
 *   npm run corpus [-- [--write] [--only TEXT] [here|GUEST ...]]
 *
 * --write puts the table, with what earlier runs said of other kernels, into README.md. --only takes the objects whose
 * path has this text, as `fixtures/`, for a look; no table is made of it.
 * The objects come out of Debian's packages; nothing of them is kept in the repository. Exits with 1 where there is a
 * difference without a reason in exceptions.ts.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { release } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { errnoName } from "../../src/index.ts";
import { boot } from "../kernels/boot.ts";
import { CACHE, kernelOf } from "../kernels/download.ts";
import { testInitramfs } from "../kernels/initramfs.ts";
import { MACHINES } from "../kernels/machines.ts";
import { GUESTS, type Guest } from "../kernels/table.ts";
import { hostKernel } from "../matrix.ts";
import { ROOT } from "../suite.ts";
import { collect, OBJECTS } from "./collect.ts";
import { reasonOf } from "./exceptions.ts";
import { libbpfLoad } from "./libbpf.ts";
import { type Comparison, compare, parseVerdict } from "./verdicts.ts";

const FOLDER = join(ROOT, "build/corpus");
const TIMEOUT_MS = 40 * 60_000;

const objectNames = (): string[] =>
  readdirSync(OBJECTS, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".o"))
    .sort();

const { values: options, positionals: names } = parseArgs({
  options: { write: { type: "boolean" }, only: { type: "string" } },
  allowPositionals: true,
});

/** What a loader's last line begins with, its status behind it. */
const ENDED = "ended with status";

/** Both loaders over all objects, each line with its loader's letter in front. */
function script(libbpf: string, bun: string, ours: string): string {
  const each = `find . -name "*.o" | grep -F '${options.only ?? "."}' | sort | cut -c3- | xargs`;
  const loader = (letter: string, command: string) =>
    `{ ${each} ${command} 2>&1; echo "${ENDED} $?"; } | sed "s/^/${letter} /"`;
  return `${loader("L", libbpf)}; ${loader("O", `${bun} ${ours}`)}`;
}

/**
 * On this kernel instructions are compared too: a guest's serial line is too slow for them. In a mount namespace with a
 * bpffs of its own, for what objects pin.
 */
async function here(libbpf: string): Promise<readonly string[]> {
  const command = script(libbpf, process.execPath, join(ROOT, "scripts/corpus/our-load.ts"));
  const mounted = `mount -t bpf bpf /sys/fs/bpf && { ${command}; }`;
  const child = Bun.spawn(["unshare", "--mount", "sh", "-c", mounted], {
    cwd: OBJECTS,
    env: { ...process.env, INSTRUCTIONS: "1" },
    stdout: "pipe",
    stderr: "inherit",
  });
  return (await new Response(child.stdout).text()).split("\n");
}

async function inGuest(guest: Guest, libbpf: string): Promise<readonly string[]> {
  const nonce = `corpus-${crypto.randomUUID()}`;
  const initramfs = join(FOLDER, `${guest.id}.cpio`);
  testInitramfs(initramfs, {
    script: `cd /corpus\n${script("/bin/libbpf-load", "bun", "/hello-ebpf/scripts/corpus/our-load.ts")}\n`,
    environment: { HOME: "/root", PATH: "/bin", TMPDIR: "/tmp", NO_COLOR: "1" },
    besides: {
      corpus: OBJECTS,
      "bin/libbpf-load": libbpf,
      "hello-ebpf/scripts/corpus": join(ROOT, "scripts/corpus"),
    },
    nonce,
  });
  try {
    const { output, trouble } = await boot({
      ...{ kernel: kernelOf(guest).image, initramfs, nonce, timeoutMs: TIMEOUT_MS, memoryMiB: 2048 },
      machine: MACHINES[guest.architecture],
      console: join(FOLDER, `${guest.id}.log`),
      kernelArguments: "",
    });
    if (trouble) console.log(`${guest.id}: ${trouble}`);
    return output;
  } finally {
    rmSync(initramfs, { force: true });
  }
}

function verdicts(lines: readonly string[], letter: string) {
  return lines.filter((line) => line.startsWith(`${letter} {`)).map((line) => parseVerdict(line.slice(2), errnoName));
}

function summarize(
  kernel: string,
  { objects, programs, bothObjects, bothPrograms, neither, differences }: Comparison,
): string {
  const explained = differences.filter((difference) => reasonOf(kernel, difference) !== undefined).length;
  const cells = [
    kernel,
    objects,
    bothObjects,
    programs,
    bothPrograms,
    neither,
    explained,
    differences.length - explained,
  ];
  return `| ${cells.join(" | ")} |`;
}

const HEAD = [
  "| kernel | objects | both load | programs | both load | both refuse | explained | unexplained |",
  "| --- | --- | --- | --- | --- | --- | --- | --- |",
];

/** The rows of this run, with those of earlier ones of other kernels, in the order of the kernels. */
function keepRows(rows: ReadonlyMap<string, string>): string[] {
  const path = join(FOLDER, "rows.json");
  const before = existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as [string, string][]) : [];
  const all = [...new Map([...before, ...rows])];
  all.sort(([a], [b]) => a.localeCompare(b, "en", { numeric: true }));
  writeFileSync(path, JSON.stringify(all));
  return all.map(([, row]) => row);
}

function writeReadme(table: string): void {
  const path = join(ROOT, "README.md");
  const marked = /(<!-- corpus -->\n)[\s\S]*?(<!-- corpus -->)/;
  writeFileSync(path, readFileSync(path, "utf8").replace(marked, `$1${table}\n$2`));
}

async function main(names: readonly string[]): Promise<void> {
  const guests = GUESTS.filter(
    ({ id, architecture }) => names.includes(id) || (names.length === 0 && architecture === "amd64"),
  );
  await collect();
  const { path, version } = libbpfLoad();
  console.log(`${objectNames().length} objects, libbpf ${version}`);
  const rows = new Map<string, string>();
  let unexplained = 0;
  const judge = (kernel: string, lines: readonly string[]) => {
    writeFileSync(join(FOLDER, `${kernel}${options.only === undefined ? "" : ".part"}.txt`), lines.join("\n"));
    const comparison = compare(verdicts(lines, "L"), verdicts(lines, "O"));
    for (const difference of comparison.differences) {
      const reason = reasonOf(kernel, difference);
      if (reason === undefined) unexplained++;
      const { object, program, libbpf, ours } = difference;
      console.log(`${kernel} ${object} ${program}: libbpf ${libbpf}; ours ${ours}${reason ? ` (${reason})` : ""}`);
    }
    const row = summarize(kernel, comparison);
    console.log(row);
    rows.set(kernel, row);
    for (const [letter, loader] of [
      ["L", "libbpf's loader"],
      ["O", "ours"],
    ]) {
      if (lines.includes(`${letter} ${ENDED} 0`)) continue;
      unexplained++;
      console.log(
        `${kernel}: ${loader} did not come to its end: ${lines.findLast((line) => line.startsWith(`${letter} `))}`,
      );
    }
  };
  if (names.length === 0 || names.includes("here")) judge(hostKernel(release()), await here(path));
  for (const guest of guests) judge(guest.id, await inGuest(guest, path));
  process.exitCode = unexplained > 0 ? 1 : 0;
  if (options.only !== undefined) return;
  const table = [...HEAD, ...keepRows(rows)].join("\n");
  console.log(table);
  if (options.write) writeReadme(table);
}

if (!existsSync(CACHE)) mkdirSync(CACHE, { recursive: true });
await main(names);
