// Executables and libraries of this machine by name, as uprobes are pointed at them: a path as it is, a bare name where a
// shell, or for `.so` files the dynamic loader, would look (ld.so(8); libbpf's resolve_full_path).

import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { Executable } from "elf-loader";

const TRIPLET = process.arch === "arm64" ? "aarch64-linux-gnu" : "x86_64-linux-gnu";
const LIBRARY_FOLDERS = ["/lib64", "/usr/lib64", "/lib", "/usr/lib", `/lib/${TRIPLET}`, `/usr/lib/${TRIPLET}`];
const PROGRAM_FOLDERS = ["/usr/bin", "/usr/sbin", "/bin", "/sbin"];

const folders = (list: string | undefined): string[] => (list ?? "").split(":").filter((folder) => folder !== "");

/** The path of what is meant by a name; undefined where no folder has it. */
export function findExecutable(name: string): string | undefined {
  if (name.includes("/")) return existsSync(name) ? name : undefined;
  const places = /\.so(\.|$)/.test(name)
    ? [...folders(process.env.LD_LIBRARY_PATH), ...LIBRARY_FOLDERS]
    : [...folders(process.env.PATH), ...PROGRAM_FOLDERS];
  return places.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

let last: { readonly key: string; readonly executable: WeakRef<Executable> } | undefined;

/** An executable by its path; the last one is kept while it is looked at. @throws ObjectError, or what reading it gave */
export function readExecutable(path: string): Executable {
  const { ino, size, mtimeMs } = statSync(path);
  const key = `${path} ${ino} ${size} ${mtimeMs}`;
  const known = last?.key === key ? last.executable.deref() : undefined;
  if (known) return known;
  const executable = Executable.parse(readFileSync(path), path);
  last = { key, executable: new WeakRef(executable) };
  return executable;
}
