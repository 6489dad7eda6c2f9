// Writes tar archives that depend on nothing but their contents: sorted, root's, of 1970.
// Format: ustar, POSIX.1-1988 (tar(5)).

/** A file of an archive, by its path relative to the root; at most 100 bytes. */
export interface TarEntry {
  readonly path: string;
  readonly mode: number;
  readonly data: Uint8Array;
}

const BLOCK = 512;
const REGULAR = "0";
const FOLDER = "5";

const octal = (value: number, digits: number) => `${value.toString(8).padStart(digits, "0")}\0`;

function header(path: string, mode: number, size: number, type: string): Buffer {
  const block = Buffer.alloc(BLOCK);
  if (Buffer.byteLength(path) > 100) throw new Error(`Cannot archive ${path}: longer than 100 bytes`);
  block.write(path, 0);
  // mode, uid, gid, size, mtime, and eight spaces where the checksum will be
  block.write(octal(mode, 7) + octal(0, 7) + octal(0, 7) + octal(size, 11) + octal(0, 11), 100);
  block.write(`        ${type}`, 148);
  block.write("ustar\x0000", 257);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${octal(sum, 6)} `, 148);
  return block;
}

/** The folders above some paths, each once. */
function folders(paths: readonly string[]): string[] {
  const found = new Set<string>();
  for (const path of paths) {
    const parts = path.split("/").slice(0, -1);
    for (let count = 1; count <= parts.length; count++) found.add(`${parts.slice(0, count).join("/")}/`);
  }
  return [...found];
}

/** An archive of these files and the folders they are in, in the order of their paths' bytes. */
export function tar(entries: readonly TarEntry[]): Buffer<ArrayBuffer> {
  const all = [
    ...entries.map(({ path, mode, data }) => ({ path, mode, data, type: REGULAR })),
    ...folders(entries.map(({ path }) => path)).map((path) => ({
      path,
      mode: 0o755,
      data: new Uint8Array(),
      type: FOLDER,
    })),
  ].sort((a, b) => (a.path < b.path ? -1 : 1));
  const blocks = all.flatMap(({ path, mode, data, type }) => [
    header(path, mode, data.length, type),
    data,
    Buffer.alloc((BLOCK - (data.length % BLOCK)) % BLOCK),
  ]);
  return Buffer.concat([...blocks, Buffer.alloc(2 * BLOCK)]);
}
