// What is in dist/: each executable is for its machine, hardened, and needs nothing but its libc; the sums are right;
// the same sources give the same bytes in another place; the images hold what they should, as their format wants it.

import { afterAll, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { imageArchive, LAYER_LIMIT } from "../../scripts/release/image.ts";
import { placeTree } from "../../scripts/release/place.ts";
import { IMAGES, LIBRARIES, TARGETS } from "../../scripts/release/targets.ts";
import { checkIntegrity } from "../../scripts/release/templates.ts";
import { ROOT } from "../kernel/support.ts";

const DIST = join(ROOT, "dist");
const folder = mkdtempSync(join(tmpdir(), "hello-artefacts-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs a command; throws its words. */
function run(command: string[], cwd = ROOT): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync(command, { cwd });
  if (exitCode !== 0) throw new Error(`${command.join(" ")}: ${exitCode} ${stderr}`);
  return stdout.toString();
}
const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

test("dist/ holds the release and nothing else, and the sums are sha256sum's", () => {
  const names = [
    ...TARGETS.map(({ name }) => `hello-ebpf-${name}`),
    ...IMAGES.map(({ name }) => `hello-ebpf-image-${name}.tar`),
    ...["SHA256SUMS", "install.sh"],
  ];
  expect(readdirSync(DIST).sort()).toEqual(names.sort());
  const lines = readFileSync(join(DIST, "SHA256SUMS"), "utf8").trim().split("\n");
  expect(lines.map((line) => line.slice(66)).sort()).toEqual(names.filter((name) => name !== "SHA256SUMS"));
  run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], DIST);
});

const MACHINES: Record<string, { machine: string; needed: string[]; interpreter: string }> = {
  "linux-x64": {
    machine: "Advanced Micro Devices X86-64",
    needed: ["ld-linux-x86-64.so.2", ...LIBRARIES],
    interpreter: "/lib64/ld-linux-x86-64.so.2",
  },
  "linux-arm64": {
    machine: "AArch64",
    needed: ["ld-linux-aarch64.so.1", ...LIBRARIES],
    interpreter: "/lib/ld-linux-aarch64.so.1",
  },
  "linux-x64-musl": {
    machine: "Advanced Micro Devices X86-64",
    needed: ["libc.musl-x86_64.so.1", "libstdc++.so.6"],
    interpreter: "/lib/ld-musl-x86_64.so.1",
  },
  "linux-arm64-musl": {
    machine: "AArch64",
    needed: ["libc.musl-aarch64.so.1", "libstdc++.so.6"],
    interpreter: "/lib/ld-musl-aarch64.so.1",
  },
};

describe.each(TARGETS)("hello-ebpf-$name", ({ name }) => {
  const path = join(DIST, `hello-ebpf-${name}`);

  test("is for its machine and needs its libc, and for musl libstdc++, and nothing else", () => {
    const said = run(["readelf", "--wide", "--file-header", "--dynamic", "--program-headers", path]);
    const needed = [...said.matchAll(/\(NEEDED\).*\[(.*)\]/g)].map(([, library = ""]) => library);
    expect({
      machine: /Machine:\s*(.*)/.exec(said)?.[1],
      needed: needed.sort(),
      interpreter: /interpreter: (.*)\]/.exec(said)?.[1],
    }).toEqual({ ...MACHINES[name]!, needed: MACHINES[name]!.needed.toSorted() });
  });

  test("wants no newer glibc than 2.17", () => {
    const versions = [...run(["readelf", "--wide", "--version-info", path]).matchAll(/GLIBC_2\.(\d+)/g)];
    for (const [, minor] of versions) expect(Number(minor)).toBeLessThanOrEqual(17);
    expect(versions.length > 0).toBe(!name.endsWith("-musl"));
  });

  test("is hardened, and holds the eBPF objects that were compiled once", () => {
    const bytes = readFileSync(path);
    for (const variable of ["BUN_OPTIONS\0", "BUN_BE_BUN\0", "BUN_INSPECT_PRELOAD"])
      expect([variable, bytes.includes(`\0${variable}`)]).toEqual([variable, false]);
    for (const mode of ["trace", "map", "perf", "ring"])
      expect(bytes.includes(readFileSync(join(ROOT, `build/bpf/hello_${mode}.bpf.o`)))).toBe(true);
  });
});

test("another architecture's flags compile to the same eBPF objects", () => {
  for (const mode of ["trace", "map", "perf", "ring"]) {
    const compiled = ["x86", "arm64"].map((machine) => {
      const object = join(folder, `${mode}-${machine}.o`);
      const flags = ["-target", "bpf", "-mcpu=v3", "-O2", "-g", "-I", "bpf/include", `-D__TARGET_ARCH_${machine}`];
      const include = `/usr/include/${IMAGES.find(({ name }) => name.endsWith(process.arch))?.triplet}`;
      run(["clang-19", ...flags, "-idirafter", include, "-c", `bpf/hello_${mode}.bpf.c`, "-o", object]);
      return sha256(readFileSync(object));
    });
    expect(compiled[1]).toBe(compiled[0]);
  }
});

test("the same sources in another directory give the same bytes", () => {
  const place = join(folder, "a/rather/different/place");
  mkdirSync(join(place, "node_modules"), { recursive: true });
  for (const name of ["src", "bpf", "scripts", "package.json", "package-lock.json", "tsconfig.json"])
    cpSync(join(ROOT, name), join(place, name), { recursive: true });
  cpSync(join(ROOT, "node_modules/commander"), join(place, "node_modules/commander"), { recursive: true });
  symlinkSync("../src/elf-loader", join(place, "node_modules/elf-loader"));
  const script = `
    const { buildExecutables } = await import("./scripts/release/executables.ts");
    const { TARGETS } = await import("./scripts/release/targets.ts");
    await buildExecutables(TARGETS.filter(({ name }) => name.startsWith("linux-x64")), process.argv[1]);`;
  run([process.execPath, "-e", script, folder], place);
  for (const name of ["hello-ebpf-linux-x64", "hello-ebpf-linux-x64-musl"])
    expect([name, sha256(readFileSync(join(folder, name)))]).toEqual([name, sha256(readFileSync(join(DIST, name)))]);
}, 120_000);

test("a template that is not the pinned one is refused", () => {
  const bytes = Buffer.from("a Bun");
  const right = `sha512-${createHash("sha512").update(bytes).digest("base64")}`;
  expect(() => checkIntegrity("it", bytes, right)).not.toThrow();
  expect(() => checkIntegrity("it", Buffer.from("another"), right)).toThrow(/^Cannot use it: its integrity is sha512-/);
});

describe.each(IMAGES)("the image for $name", ({ name, architecture, triplet, loader }) => {
  const archive = join(DIST, `hello-ebpf-image-${name}.tar`);
  const unpacked = join(folder, name);
  mkdirSync(unpacked);
  const json = (path: string) => JSON.parse(readFileSync(join(unpacked, path), "utf8"));
  const blob = ({ digest }: { digest: string }) => `blobs/sha256/${digest.replace("sha256:", "")}`;

  test("is an OCI layout and a docker archive of the same blobs, each named by its sum", () => {
    run(["tar", "-xf", archive, "-C", unpacked]);
    for (const file of readdirSync(join(unpacked, "blobs/sha256")))
      expect(sha256(readFileSync(join(unpacked, "blobs/sha256", file)))).toBe(file);
    const [descriptor] = json("index.json").manifests;
    const manifest = json(blob(descriptor));
    expect(json("manifest.json")).toEqual([
      {
        Config: blob(manifest.config),
        RepoTags: [`hello-ebpf:${checkoutJson("package.json").version}`],
        Layers: manifest.layers.map(blob),
      },
    ]);
    for (const part of [descriptor, manifest.config, ...manifest.layers])
      expect(readFileSync(join(unpacked, blob(part))).length).toBe(part.size);
    expect(readdirSync(join(unpacked, "blobs/sha256"))).toHaveLength(3);
  });

  test("is the same bytes when it is made again", () => {
    const [{ Config: config, Layers: layers }] = json("manifest.json");
    const { created, config: about, history } = json(config);
    const label = (key: string) => about.Labels[`org.opencontainers.image.${key}`];
    const { license: licenses } = checkoutJson("package.json");
    const said = { version: label("version"), description: label("description"), revision: label("revision") };
    const tree = join(ROOT, "build/image", name);
    const files = (readdirSync(tree, { recursive: true }) as string[]).filter((path) =>
      statSync(join(tree, path)).isFile(),
    );
    const entries = files.map((path) => ({ path, mode: 0o755, data: readFileSync(join(tree, path)) }));
    const libc = { source: history[0].comment, entries: entries.filter(({ path }) => path !== "hello-ebpf") };
    const executable = entries.find(({ path }) => path === "hello-ebpf")!.data;
    const again = imageArchive(IMAGES.find((image) => image.name === name)!, executable, libc, {
      ...said,
      licenses,
      created,
    });
    expect([layers.length, sha256(again)]).toEqual([1, sha256(readFileSync(archive))]);
  }, 120_000);

  test("is at most 55 MB, and holds the executable, the loader, its four libraries and nothing else", () => {
    const [docker] = json("manifest.json");
    const layer = join(unpacked, docker.Layers[0]);
    expect(docker.Layers).toHaveLength(1);
    expect(readFileSync(layer).length).toBeLessThanOrEqual(LAYER_LIMIT);
    expect(readFileSync(archive).length).toBeLessThanOrEqual(55_000_000);
    const listed = run(["tar", "--numeric-owner", "--utc", "-tvzf", layer]).trim().split("\n");
    for (const line of listed) expect(line).toMatch(/^[d-]rwxr-xr-x 0\/0 +\d+ 1970-01-01 00:00 /);
    const files = listed.filter((line) => line.startsWith("-")).map((line) => line.split(/\s+/).at(-1));
    const libraries = LIBRARIES.map((library) => `lib/${triplet}/${library}`);
    expect(files.toSorted()).toEqual(["hello-ebpf", loader.slice(1), ...libraries].sort());
    const inside = Bun.spawnSync(["tar", "-xzOf", layer, "hello-ebpf"]).stdout;
    expect(sha256(inside)).toBe(sha256(readFileSync(join(DIST, `hello-ebpf-${name}`))));
    expect(sha256(Bun.gunzipSync(readFileSync(layer)))).toBe(json(docker.Config).rootfs.diff_ids[0].slice(7));
  });

  test("starts hello-ebpf, says what it is by OCI labels, and where its parts come from", () => {
    const config = json(json("manifest.json")[0].Config);
    expect(config).toMatchObject({ architecture, os: "linux", config: { Entrypoint: ["/hello-ebpf"] } });
    expect(config.history).toMatchObject([{ comment: expect.stringMatching(/^libc6 2\.36-\S+ (amd64|arm64)$/) }]);
    for (const label of Object.keys(config.config.Labels))
      expect(label).toMatch(/^org\.opencontainers\.image\.[a-z]+$/);
    expect(config.config.Labels).toMatchObject({
      "org.opencontainers.image.description": checkoutJson("package.json").description,
      "org.opencontainers.image.title": "hello-ebpf",
      "org.opencontainers.image.version": checkoutJson("package.json").version,
      "org.opencontainers.image.created": expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
      "org.opencontainers.image.licenses": expect.stringContaining("MIT"),
    });
  });

  test("the libraries are of its machine", () => {
    const tree = join(ROOT, "build/image", name);
    for (const file of [loader, ...LIBRARIES.map((library) => `/lib/${triplet}/${library}`)]) {
      expect([file, existsSync(tree + file)]).toEqual([file, true]);
      expect(run(["readelf", "-h", tree + file])).toContain(MACHINES[name]!.machine);
    }
  });
});

test("the files that the Containerfile copies may be read by anybody, whatever the umask was", () => {
  const tree = join(folder, "tree");
  const umask = process.umask(0o077);
  try {
    placeTree(tree, [{ path: "lib/a/b", mode: 0o755, data: new Uint8Array(1) }]);
  } finally {
    process.umask(umask);
  }
  for (const path of ["", "lib", "lib/a", "lib/a/b"])
    expect([path, (statSync(join(tree, path)).mode & 0o777).toString(8)]).toEqual([path, "755"]);
});

/** A file of the checkout. */
function checkoutJson(path: string) {
  return JSON.parse(readFileSync(join(ROOT, path), "utf8"));
}

test("no file of the release names this checkout", () => {
  for (const file of readdirSync(DIST))
    expect([basename(file), readFileSync(join(DIST, file)).includes(`${ROOT}/`)]).toEqual([basename(file), false]);
});
