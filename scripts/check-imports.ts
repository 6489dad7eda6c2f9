// Holds the law that imports go only to the left (ARCHITECTURE.md): a part may import parts of a lower layer, files of
// its own folder, and nothing else. Type-only imports count: they tie parts together as much as any other.

import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative, resolve } from "node:path";

/** Left to right. Parts of one layer do not know each other. */
const LAYERS: readonly (readonly string[])[] = [
  ["elf-loader/errors"],
  ["elf-loader/uapi"],
  ["elf-loader/bytes"],
  ["elf-loader/elf", "elf-loader/asm", "elf-loader/btf"],
  ["elf-loader/spec"],
  ["elf-loader/core"],
  ["elf-loader/linker"],
  ["elf-loader"],
  ["sys"],
  ["host", "features"],
  ["map"],
  ["program"],
  ["link", "events"],
  ["object"],
  ["syscall-hook"],
  ["index"],
  ["cli"],
];
const RANK = new Map(LAYERS.flatMap((parts, rank) => parts.map((part) => [part, rank] as const)));

/** Packages of this checkout, by the file their name stands for. */
const PACKAGES: Record<string, string> = {
  "elf-loader": "elf-loader/index.ts",
  "elf-loader/uapi": "elf-loader/uapi/index.ts",
  "hello-ebpf": "index.ts",
};

const COMMENT = /\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/.*$/gm;
const IMPORT = /\b(?:import|export)\s+(?:[\w*\s{},$]+?\sfrom\s+)?["']([^"'\n]+)["']|\bimport\(\s*["']([^"'\n]+)["']/g;

/** What a file imports, as written. */
function imports(source: string): string[] {
  return [...source.replace(COMMENT, "").matchAll(IMPORT)].map((match) => match[1] ?? match[2] ?? "");
}

/** The part a file below src/ belongs to: its folder, one level deeper in elf-loader, or its own name. */
function partOf(file: string): string {
  const [first = "", second = "", third] = file.replace(/\.ts$/, "").split("/");
  if (first !== "elf-loader") return first;
  return third !== undefined || RANK.has(`${first}/${second}`) ? `${first}/${second}` : first;
}

/** The file below src/ that an import means, or undefined for a package, a built-in module or an embedded object. */
function target(file: string, specifier: string): string | undefined {
  if (!specifier.startsWith(".")) return PACKAGES[specifier];
  const path = normalize(join(dirname(file), specifier));
  return path.endsWith(".ts") && !path.startsWith("..") ? path : undefined;
}

/** Why a file may not import what it does, or undefined. */
function objection(file: string, specifier: string): string | undefined {
  const [part, goal] = [partOf(file), target(file, specifier)];
  const rank = RANK.get(part);
  if (rank === undefined) return `belongs to no layer (${part})`;
  if (specifier === "bun:ffi" && file !== "sys/libc.ts") return "imports bun:ffi; only sys/libc.ts may";
  if (goal === undefined)
    return part.startsWith("elf-loader") ? `imports ${specifier} from outside elf-loader` : undefined;
  const other = partOf(goal);
  if (other === part) return undefined;
  if (part === "cli" && other !== "index") return `imports ${specifier}; the command line may only import index.ts`;
  return (RANK.get(other) ?? rank) < rank ? undefined : `imports ${specifier}: ${other} is not left of ${part}`;
}

/** One cycle of files for each file that closes one, as a path. */
function cycles(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const [found, done]: [string[], Set<string>] = [[], new Set()];
  const visit = (file: string, path: readonly string[]) => {
    if (path.includes(file)) found.push(`${[...path.slice(path.indexOf(file)), file].join(" -> ")}: a cycle`);
    if (done.has(file) || path.includes(file)) return;
    for (const next of graph.get(file) ?? []) visit(next, [...path, file]);
    done.add(file);
  };
  for (const file of graph.keys()) visit(file, []);
  return found;
}

/** Thousands of constants, each kept alive for its name: 10 MB of every process, and most of its start. */
const ALL_CONSTANTS = /^import \* as \w+ from "elf-loader\/uapi"/m;

/** Every breach below a src folder, one line each, `file: why`; none when all is well. */
export function checkImports(src: string): string[] {
  const files = readdirSync(src, { recursive: true, encoding: "utf8" }).filter((name) => /(?<!\.d)\.ts$/.test(name));
  const wanted = new Map(files.sort().map((file) => [file, imports(readFileSync(join(src, file), "utf8"))]));
  const graph = new Map<string, string[]>();
  const breaches: string[] = [];
  for (const [file, specifiers] of wanted) {
    if (ALL_CONSTANTS.test(readFileSync(join(src, file), "utf8")))
      breaches.push(`${file}: imports all of elf-loader/uapi; name what is wanted`);
    graph.set(
      file,
      specifiers.map((name) => target(file, name)).filter((path) => path !== undefined),
    );
    const reasons = specifiers.map((name) => objection(file, name)).filter((reason) => reason !== undefined);
    breaches.push(...reasons.map((reason) => `${file}: ${reason}`));
  }
  return [...breaches, ...cycles(graph)];
}

if (import.meta.main) {
  const src = resolve(import.meta.dir, "../src");
  const breaches = checkImports(src);
  for (const breach of breaches) console.error(`${relative(process.cwd(), src)}/${breach}`);
  process.exit(breaches.length > 0 ? 1 : 0);
}
