// What npm start and npm test promise of a clone, as far as it can be shown without taking this one apart.

import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";

const ROOT = resolve(import.meta.dir, "../..");
const json = (path: string) => JSON.parse(readFileSync(join(ROOT, path), "utf8"));

test("the lock file names no registry, and checks everything it does not link", () => {
  const packages = Object.entries<Record<string, unknown>>(json("package-lock.json").packages);
  const fetched = packages.filter(([path, entry]) => path.startsWith("node_modules/") && !entry.link);
  expect(fetched.length).toBeGreaterThan(10);
  for (const [path, entry] of fetched)
    expect([path, entry.resolved, typeof entry.integrity]).toEqual([path, undefined, "string"]);
});

test("the library depends on nothing at run time", () => {
  expect(json("package.json").dependencies).toBeUndefined();
  expect(json("src/elf-loader/package.json").dependencies).toBeUndefined();
});

test("every development dependency is pinned", () => {
  for (const version of Object.values(json("package.json").devDependencies)) expect(version).toMatch(/^\d+\.\d+\.\d+$/);
});

test("with nothing changed the set-up says nothing and takes a fraction of a second", () => {
  const start = performance.now();
  const { exitCode, stdout, stderr } = Bun.spawnSync(["node", "scripts/setup.mjs", "build"], { cwd: ROOT });
  expect({ exitCode, said: `${stdout}${stderr}` }).toEqual({ exitCode: 0, said: "" });
  expect(performance.now() - start).toBeLessThan(1000);
});

/** In a mount namespace of its own, a machine without libbpf's headers; a clone without modules, another user. */
test.skipIf(process.getuid?.() !== 0 || !existsSync("/usr/include/bpf"))(
  "not root and a package missing: one line that says which, and status 1",
  () => {
    const script = `
      mount -t tmpfs none /usr/include/bpf
      mount -t tmpfs none /mnt && mkdir /mnt/scripts && cp scripts/setup.mjs /mnt/scripts && cp package-lock.json /mnt
      cd /mnt && exec setpriv --reuid=65534 --clear-groups node scripts/setup.mjs build`;
    const { exitCode, stdout, stderr } = Bun.spawnSync(["unshare", "-m", "sh", "-ec", script], { cwd: ROOT });
    expect({ exitCode, stdout: `${stdout}`, stderr: `${stderr}` }).toEqual({
      exitCode: 1,
      stdout: "",
      stderr: "hello-ebpf: missing Debian packages, install them as root: apt-get install libbpf-dev\n",
    });
  },
);
